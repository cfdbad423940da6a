//! An engine, an image and containers that are gone when the test is over.

use std::fs::File;
use std::future::Future;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use gantline::internal::docker::{
    Attached, Client, ContainerId, CreateContainer, Endpoint, RemoveOptions, Settings,
    frame::{Decoder, Stream},
};

/// A static busybox, with `PATH=/bin`.
pub(crate) const IMAGE: &str = "gantline-test:busybox";

/// Runs `test` in a runtime like the product's, for a minute at most.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await })
        .expect("the test takes too long")
}

/// The engine of this machine: `DOCKER_HOST`, or where engines usually are.
pub(crate) fn settings() -> Settings {
    let address = std::env::var("DOCKER_HOST").unwrap_or_default();
    Settings::default().with_endpoint(Endpoint::parse(&address).unwrap())
}

/// Meets the engine and sees to it that the image is there.
pub(crate) async fn client() -> Client {
    import_image();
    Client::connect(settings()).await.unwrap()
}

/// A container that is removed when the test is over, however it ends.
pub(crate) struct Container {
    pub(crate) id: ContainerId,
}

impl Container {
    pub(crate) async fn create(client: &Client, cmd: &[&str]) -> Self {
        Self::of(client, &CreateContainer::new(IMAGE, strings(cmd))).await
    }

    pub(crate) async fn of(client: &Client, body: &CreateContainer) -> Self {
        let created = client.create(&unique("container"), body).await.unwrap();
        Self { id: created.id }
    }

    /// Attaches, waits, starts; gives stdout, stderr and the exit code.
    pub(crate) async fn run(&self, client: &Client) -> (Vec<u8>, Vec<u8>, i64) {
        let attached = client.attach(&self.id).await.unwrap();
        let wait = client.wait_next_exit(&self.id).await.unwrap();
        client.start(&self.id).await.unwrap();
        let streams = tokio::task::spawn_blocking(move || read_streams(attached));
        let exit = wait.exit().await.unwrap();
        let (stdout, stderr) = streams.await.unwrap();
        (stdout, stderr, exit.status_code)
    }

    /// Removes it and sees that the engine agrees.
    pub(crate) async fn remove(&self, client: &Client) {
        client.remove(&self.id, RemoveOptions { force: true, volumes: true }).await.unwrap();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "-f", "-v", self.id.as_str()]);
    }
}

/// Reads an attach to its end, with a deadline a read.
pub(crate) fn read_streams(attached: Attached) -> (Vec<u8>, Vec<u8>) {
    assert!(attached.framed);
    let mut decoder = Decoder::new();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut take = |mut bytes: &[u8]| {
        while let Some(piece) = decoder.next(bytes).unwrap() {
            match piece.stream {
                Stream::Stdout => stdout.extend_from_slice(piece.payload),
                Stream::Stderr => stderr.extend_from_slice(piece.payload),
                other => panic!("a frame of {other:?}"),
            }
            bytes = &bytes[piece.consumed..];
        }
    };
    take(&attached.read_ahead);
    let mut socket = blocking(attached.socket);
    let mut buffer = vec![0; 65_536];
    loop {
        match socket.read(&mut buffer).unwrap() {
            0 => break,
            read => take(&buffer[..read]),
        }
    }
    decoder.ended().unwrap();
    (stdout, stderr)
}

/// The socket, with reads that wait, but not for ever.
pub(crate) fn blocking(socket: OwnedFd) -> socket2::Socket {
    let socket = socket2::Socket::from(socket);
    assert!(socket.nonblocking().unwrap(), "an attach is handed on non-blocking");
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// A name that no other test has.
pub(crate) fn unique(what: &str) -> String {
    format!("gantline-client-test-{what}-{}", uuid::Uuid::new_v4().simple())
}

/// Runs the docker command; gives its stdout, or nothing when it fails.
pub(crate) fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Makes the image when it is missing, once for all tests that run now.
fn import_image() {
    // The test program itself is the lock: it is there for all of them, and nothing is left behind.
    let lock = File::open(std::env::current_exe().unwrap()).unwrap();
    lock.lock().unwrap();
    if docker(&["image", "inspect", IMAGE]).is_some() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("bin")).unwrap();
    std::fs::create_dir(root.path().join("tmp")).unwrap();
    std::fs::copy("/bin/busybox", root.path().join("bin/busybox"))
        .expect("busybox-static is installed");
    for applet in [
        "sh",
        "true",
        "false",
        "cat",
        "sleep",
        "echo",
        "head",
        "sha256sum",
        "dd",
        "id",
        "mkfifo",
        "printf",
        "seq",
        "wc",
        "kill",
        "test",
    ] {
        symlink("busybox", root.path().join("bin").join(applet)).unwrap();
    }
    let tar = root.path().join("root.tar");
    let packed = Command::new("tar")
        .arg("-C")
        .arg(root.path())
        .arg("-cf")
        .arg(&tar)
        .args(["bin", "tmp"])
        .status()
        .unwrap();
    assert!(packed.success());
    let tar = tar.to_str().unwrap();
    docker(&["import", "-c", "ENV PATH=/bin", tar, IMAGE]).expect("the engine imports the image");
}
