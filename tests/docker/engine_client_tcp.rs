//! An engine on a TCP port: here the machine's own one, behind a proxy that copies bytes.

use std::net::SocketAddr;
use std::process::Command;

use gantline::internal::docker::{Client, Endpoint};
use tokio::net::{TcpListener, UnixStream};

use crate::engine_client_support::{Container, block_on, client, settings};
use crate::support::job::Job;

/// Copies between a port and the engine's socket, as long as the runtime lives.
async fn proxy() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let Endpoint::Unix(path) = settings().endpoint else {
                    panic!("the engine of the tests is on a socket")
                };
                let mut far = UnixStream::connect(path).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

#[test]
fn a_container_lives_over_tcp() {
    block_on(async {
        client().await;
        let endpoint = Endpoint::parse(&format!("tcp://{}", proxy().await)).unwrap();
        let client = Client::connect(settings().with_endpoint(endpoint)).await.unwrap();
        let script = "seq 20000; seq 20001 30000 >&2; exit 4";
        let container = Container::create(&client, &["sh", "-c", script]).await;
        let (stdout, stderr, code) = container.run(&client).await;
        let lines = |range: std::ops::RangeInclusive<u32>| -> String {
            range.map(|i| format!("{i}\n")).collect()
        };
        assert_eq!(String::from_utf8(stdout).unwrap(), lines(1..=20_000));
        assert_eq!(String::from_utf8(stderr).unwrap(), lines(20_001..=30_000));
        assert_eq!(code, 4);
        container.remove(&client).await;
    });
}

#[test]
fn a_job_runs_with_the_engine_of_dockers_context() {
    let folder = tempfile::tempdir().unwrap();
    let docker = |arguments: &[&str]| {
        let mut docker = Command::new("docker");
        let docker = docker.args(arguments).env("DOCKER_CONFIG", folder.path());
        let output =
            docker.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    for (name, host) in [
        ("here", "unix:///var/run/docker.sock"),
        ("gone", "unix:///no/such.sock"),
        ("shell", "ssh://me@far"),
    ] {
        docker(&["context", "create", name, "--docker", &format!("host={host}")]);
    }
    docker(&["context", "use", "gone"]);
    for (chosen, code, words) in
        [("here", 0, ""), ("", 125, "/no/such.sock"), ("shell", 2, "SSH"), ("none", 2, "\"none\"")]
    {
        let run = Job::script("true").invocation().env("DOCKER_CONFIG", folder.path());
        let run = run.env("DOCKER_HOST", "").env("DOCKER_CONTEXT", chosen).finish();
        assert_eq!(run.code, code, "{chosen:?} {run}");
        assert!(run.stderr.contains(words), "{chosen:?} {run}");
    }
}
