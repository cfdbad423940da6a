//! Pulls from a real registry, which Debian's docker-registry is.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gantline::internal::docker::{Client, DockerError, PullLine};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::engine_client_support::{block_on, docker, settings, unique};

/// A registry on a port of this machine, with one image that the engine does not have.
struct Registry {
    server: Child,
    address: String,
    image: String,
    folder: TempDir,
}

/// Bytes of the image's layer, which do not compress.
const LAYER: u64 = 3 << 20;

/// The line of htpasswd for the user `gantline` with the password `hoist`.
const HTPASSWD: &str = "gantline:$2b$05$abcdefghijklmnopqrstuuqDvdxYWaUOIZeI8JDCwTgyp2b6uI2GS\n";

/// The base64 of `gantline:hoist`.
const AUTH: &str = "Z2FudGxpbmU6aG9pc3Q=";

impl Registry {
    fn open() -> Self {
        Self::start("")
    }

    fn with_login() -> Self {
        Self::start("auth: {htpasswd: {realm: test, path: \"FOLDER/htpasswd\"}}")
    }

    fn start(auth: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\n\
             storage: {{filesystem: {{rootdirectory: {path}/data}}}}\n\
             http: {{addr: \"127.0.0.1:0\", secret: x}}\n{}\n",
            auth.replace("FOLDER", path)
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let mut server = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("log")).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        let log = BufReader::new(server.stderr.take().unwrap());
        let (found, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on ") {
                    let address = rest.split('"').next().unwrap().to_owned();
                    let _ = found.send(address);
                }
            }
        });
        let deadline = Duration::from_secs(20);
        let address = address.recv_timeout(deadline).expect("the registry listens");
        let image = format!("{address}/{}:1", unique("image"));
        let registry = Self { server, address, image, folder };
        registry.push();
        registry
    }

    /// Makes an image with a layer that nobody has, pushes it and forgets it.
    fn push(&self) {
        let mut noise = vec![0; LAYER.try_into().unwrap()];
        fastrand::fill(&mut noise);
        File::create(self.folder.path().join("noise")).unwrap().write_all(&noise).unwrap();
        let tar = self.folder.path().join("image.tar");
        let packed = Command::new("tar")
            .arg("-C")
            .arg(self.folder.path())
            .arg("-cf")
            .arg(&tar)
            .arg("noise")
            .status()
            .unwrap();
        assert!(packed.success());
        docker(&["import", tar.to_str().unwrap(), &self.image]).unwrap();
        let login = self.login(&format!(r#"{{"auth": "{AUTH}"}}"#));
        let login = login.parent().unwrap().to_str().unwrap().to_owned();
        docker(&["--config", &login, "push", &self.image]).expect("the registry takes the image");
        docker(&["rmi", &self.image]).unwrap();
    }

    /// A configuration of docker with this entry for the registry.
    fn login(&self, entry: &str) -> PathBuf {
        let folder = self.folder.path().join("docker");
        let _ = std::fs::create_dir(&folder);
        let file = folder.join("config.json");
        let config = format!(r#"{{"auths": {{"http://{}": {entry}}}}}"#, self.address);
        std::fs::write(&file, config).unwrap();
        file
    }

    /// Pulls and gives the digest and the lines.
    async fn pull(
        &self,
        reference: &str,
        config_file: Option<PathBuf>,
    ) -> Result<(Option<String>, Vec<PullLine>), DockerError> {
        let mut settings = settings();
        settings.config_file = config_file;
        let client = Client::connect(settings).await.unwrap();
        let mut lines = Vec::new();
        let pulled = client.pull(reference, &mut |line| lines.push(line)).await?;
        let image = client.inspect_image(reference).await.unwrap();
        let digest = pulled.digest.clone().unwrap();
        assert!(image.repo_digests.iter().any(|known| known.ends_with(&digest)), "{image:?}");
        Ok((pulled.digest, lines))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        docker(&["rmi", "-f", &self.image]);
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn an_image_is_pulled_by_tag_and_by_digest() {
    block_on(async {
        let registry = Registry::open();
        let (digest, lines) = registry.pull(&registry.image, None).await.unwrap();
        let digest = digest.unwrap();
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
        let layer = |line: &&PullLine| line.layer.is_some() && line.total.is_some();
        let downloads: Vec<_> = lines.iter().filter(layer).collect();
        assert!(downloads.iter().any(|line| line.status == "Downloading"), "{lines:?}");
        assert!(downloads.iter().all(|line| line.current <= line.total), "{lines:?}");
        assert!(lines.iter().any(|line| line.status == "Pull complete"), "{lines:?}");

        docker(&["rmi", "-f", &registry.image]).unwrap();
        let by_digest = format!("{}@{digest}", registry.image.strip_suffix(":1").unwrap());
        let (again, _) = registry.pull(&by_digest, None).await.unwrap();
        assert_eq!(again, Some(digest));
        docker(&["rmi", "-f", &by_digest]).unwrap();
    });
}

#[test]
fn a_tag_that_the_registry_does_not_have_is_not_found() {
    block_on(async {
        let registry = Registry::open();
        let missing = format!("{}:2", registry.image.strip_suffix(":1").unwrap());
        let error = registry.pull(&missing, None).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert!(error.to_string().contains("POST /images/create"), "{error}");
    });
}

#[test]
fn a_registry_that_is_not_there_is_an_error_of_the_engine() {
    block_on(async {
        let client = Client::connect(settings()).await.unwrap();
        let error = client.pull("127.0.0.1:1/a/b", &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, DockerError::Engine { .. } | DockerError::Pull { .. }), "{error}");
        assert!(error.to_string().contains("connection refused"), "{error}");
    });
}

#[test]
fn a_registry_with_a_login_gets_it_and_refuses_others() {
    block_on(async {
        let registry = Registry::with_login();
        let error = registry.pull(&registry.image, None).await.unwrap_err();
        assert!(error.to_string().contains("no basic auth credentials"), "{error}");

        let wrong = registry.login(r#"{"username": "gantline", "password": "lower"}"#);
        let error = registry.pull(&registry.image, Some(wrong)).await.unwrap_err();
        assert!(error.to_string().contains("unauthorized"), "{error}");
        assert!(!error.to_string().contains("lower"), "{error}");

        let right = registry.login(&format!(r#"{{"auth": "{AUTH}"}}"#));
        registry.pull(&registry.image, Some(right)).await.unwrap();
    });
}

/// A way to the registry on which every answer stops in the middle of a layer; gives its address
/// and the engine's connections that wait for the rest.
async fn stalling_proxy(registry: String) -> (SocketAddr, UnboundedReceiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (waiting, stalled) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut engine, _) = listener.accept().await.unwrap();
            let (waiting, registry) = (waiting.clone(), registry.clone());
            tokio::spawn(async move {
                let mut registry = TcpStream::connect(registry).await.unwrap();
                let (mut from_registry, mut to_registry) = registry.split();
                let (mut from_engine, mut to_engine) = engine.split();
                let mut answers = (&mut from_registry).take(LAYER / 3);
                let whole = tokio::select! {
                    _ = tokio::io::copy(&mut from_engine, &mut to_registry) => true,
                    copied = tokio::io::copy(&mut answers, &mut to_engine) => {
                        copied.is_ok_and(|bytes| bytes < LAYER / 3)
                    }
                };
                if !whole {
                    drop(waiting.send(engine));
                }
            });
        }
    });
    (address, stalled)
}

#[test]
fn a_pull_that_is_dropped_makes_the_engine_give_up() {
    block_on(async {
        let registry = Registry::open();
        let (address, mut stalled) = stalling_proxy(registry.address.clone()).await;
        let image = registry.image.replace(&registry.address, &address.to_string());
        let client = Client::connect(settings()).await.unwrap();
        let mut progress = |_| {};
        let mut connection = tokio::select! {
            outcome = client.pull(&image, &mut progress) => panic!("{outcome:?}"),
            connection = stalled.recv() => connection.unwrap(),
        };
        // Select has dropped the pull. The engine closes a layer that it does not want any more
        // when the next bytes of it come.
        let closed = async {
            let (tick, mut byte) = (Duration::from_millis(50), [0]);
            while connection.write_all(&[0; 64]).await.is_ok() {
                let read = connection.read(&mut byte);
                if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(tick, read).await {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), closed).await.unwrap();
    });
}
