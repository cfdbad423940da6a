//! Each member of a job document: its example runs, with what a real Girder and this engine have in place of what it
//! names.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use gantline::spec::schema;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::{Finished, Invocation};
use crate::support::girder::Girder;
use crate::support::girder_job;
use crate::support::job::Job;

/// What not every engine and machine has: it runs there, or the engine says why it does not.
const MAY_BE_REFUSED: [&str; 6] = [
    "blkio_weight_device",
    "cpuset_cpus",
    "device_requests",
    "devices",
    "nano_cpus",
    "storage_opt",
];

/// What is about a network of the container's own, where tests share the host's.
const OF_ITS_NETWORK: [&str; 5] = ["dns", "extra_hosts", "network", "ports", "sysctls"];

#[test]
fn the_example_of_every_member_of_a_document_runs() {
    let place = Place::new();
    let schema = schema();
    let mut run = 0;
    for (name, member) in schema["properties"].as_object().unwrap() {
        let Some(example) = member.get("examples") else { continue };
        let finished = place.run(name, place.real(&example[0]));
        match finished.code {
            125..=127 if MAY_BE_REFUSED.contains(&name.as_str()) => {
                assert!(finished.stderr.contains("the engine"), "{name}: {finished}");
            }
            code => assert_eq!(code, 0, "{name}: {finished}"),
        }
        run += 1;
    }
    assert!(run > 35, "{run}");
}

/// What the examples' names stand for.
struct Place {
    girder: Girder,
    item: String,
    job: girder_job::Job,
    host: TempDir,
    network: String,
}

impl Place {
    fn new() -> Self {
        let girder = Girder::log_in();
        let item = girder.make_item(girder.folder(), "item");
        let job = girder_job::Job::new(&girder);
        let host = TempDir::with_prefix("gantline-test-").unwrap();
        fs::write(host.path().join("here"), "of the host\n").unwrap();
        let network = format!("gantline-test-document-{}", std::process::id());
        assert!(docker(&["network", "create", &network]));
        Self { girder, item, job, host, network }
    }

    /// An example, with what is here.
    fn real(&self, example: &Value) -> Value {
        let host = self.host.path().display();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = [
            ("debian:12", "gantline-test:busybox".to_owned()),
            ("6b02c2bf8ed649d13bc50b4e", self.item.clone()),
            ("https://data.example.org/api/v1/job/6b02c2bf8ed649d13bc50b4c", self.job_url()),
            ("https://data.example.org/api/v1", self.girder.api().to_owned()),
            ("\"…\"", self.job.info["headers"]["Girder-Token"].to_string()),
            ("\"/data\":", format!("\"{host}\":")),
            ("\"/srv\"", format!("\"{host}\"")),
            ("/tmp/log", format!("{host}/log")),
            ("my-network", self.network.clone()),
            ("my-job", self.network.clone()),
            ("8080", port.to_string()),
            ("5353", other.to_string()),
        ]
        .into_iter()
        .fold(example.to_string(), |text, (from, to)| text.replace(from, &to));
        serde_json::from_str(&text).unwrap()
    }

    fn job_url(&self) -> String {
        self.job.info["url"].as_str().unwrap().to_owned()
    }

    /// A run of a job whose member this is, and what is to be seen of it.
    fn run(&self, name: &str, example: Value) -> Finished {
        let result = json!({"type": "VolumePath", "filename": "out.csv"});
        let job = match name {
            "container_args" => Job::program(&[]).set("entrypoint", "echo"),
            "entrypoint" => Job::program(&["echo $0", "it"]),
            "girder_result_hooks" => Job::script("echo result > $1").arg(result),
            "volumes" => Job::script("cat /mnt/data/here"),
            "mounts" => Job::script("cat /data/here"),
            "environment" => Job::script("echo $OMP_NUM_THREADS"),
            "working_dir" => Job::script("pwd"),
            "user" => Job::script("id -u; id -g"),
            "stream_connectors" => Job::script("echo log"),
            _ => Job::script("true"),
        };
        let mut document = job.girder(&self.girder).set(name, example).document().clone();
        if OF_ITS_NETWORK.contains(&name) {
            document.as_object_mut().unwrap().remove("network_mode");
        }
        let run = Invocation::job(&document).finish();
        self.assert_seen(name, &run);
        run
    }

    fn assert_seen(&self, name: &str, run: &Finished) {
        let expected = match name {
            "entrypoint" => "it\n",
            "volumes" | "mounts" => "of the host\n",
            "environment" => "4\n",
            "working_dir" => "/work\n",
            "user" => "1000\n1000\n",
            "container_args" => {
                assert!(run.text().starts_with("--level 3 /mnt/girder_worker/"), "{run}");
                assert!(run.text().ends_with("/out.csv\n"), "{run}");
                return;
            }
            "stream_connectors" => {
                assert_eq!(fs::read_to_string(self.host.path().join("log")).unwrap(), "log\n");
                ""
            }
            "girder_result_hooks" => {
                assert_eq!(self.girder.files(&self.item).len(), 1, "{run}");
                ""
            }
            "girder_job" => {
                assert_eq!(self.job.statuses().last(), Some(&3), "{run}");
                ""
            }
            _ => "",
        };
        assert_eq!(run.text(), expected, "{name}: {run}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = docker(&["network", "rm", &self.network]);
    }
}

fn docker(arguments: &[&str]) -> bool {
    Command::new("docker").args(arguments).output().unwrap().status.success()
}
