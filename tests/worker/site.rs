//! A Girder, its broker and a queue of the test's own, where `gantline worker` is one of the workers.

mod job;
mod worker;

use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) use self::job::Job;
pub(crate) use self::worker::Worker;
use crate::jobs::SOON;
use crate::place::{Kind, server};
use crate::python;
use crate::support::girder::Girder;

/// Where a test happens.
pub(crate) struct Site {
    girder: Girder,
    broker: String,
    backend: String,
    queue: String,
    node: String,
}

impl Site {
    pub(crate) fn new(kind: Kind) -> Self {
        let (variable, broker) = match kind {
            Kind::RabbitMq => ("GANTLINE_TEST_GIRDER_AMQP", format!("{}//", server(kind))),
            Kind::Redis => ("GANTLINE_TEST_GIRDER_REDIS", format!("{}/0", server(kind))),
        };
        let api = env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: see tests/all.sh for the Girder of each broker")
        });
        let backend = match kind {
            Kind::RabbitMq => "rpc://".to_owned(),
            Kind::Redis => broker.clone(),
        };
        let queue = format!("jobs-{}", Uuid::new_v4().simple());
        let node = format!("gantline@{queue}");
        Self { girder: Girder::log_in_at(api), broker, backend, queue, node }
    }

    /// For what has nothing to do with the broker.
    pub(crate) fn of_one_broker() -> Self {
        match env::var("GANTLINE_TEST_ONE_BROKER").as_deref() {
            Ok("amqp") => {
                let mut site = Self::new(Kind::RabbitMq);
                site.backend = format!("{}/0", server(Kind::Redis));
                site
            }
            _ => Self::new(Kind::Redis),
        }
    }

    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) fn other_queue(&self) -> String {
        format!("{}-others", self.queue)
    }

    /// The token of who sends jobs here.
    pub(crate) fn token(&self) -> String {
        self.girder.token().to_owned()
    }

    /// The name of the test's worker.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Whether results can be read by anybody: in Redis.
    pub(crate) fn has_records(&self) -> bool {
        self.backend != "rpc://"
    }

    /// Girder's API.
    pub(crate) fn api(&self) -> &str {
        self.girder.api()
    }

    /// Takes a token out of Girder, as its lifetime's end does.
    pub(crate) fn removes_token(&self, token: &str) {
        let session = format!("{}/token/session", self.girder.api());
        ureq::delete(session).header("Girder-Token", token).call().unwrap();
    }

    /// What Girder answers.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.girder.get(path)
    }

    /// The address of the broker, as Python and we take it.
    pub(crate) fn broker(&self) -> &str {
        &self.broker
    }

    /// Starts `gantline worker` on the test's queue, and waits until it is connected.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Worker {
        let worker = self.starting_worker(arguments, &[]);
        self.until(|| worker.log().contains("connected to the broker"));
        worker
    }

    /// Starts `gantline worker` with something in its environment.
    pub(crate) fn starting_worker(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Worker {
        let folder = TempDir::with_prefix("gantline-test-").unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
        command.arg("worker");
        if !arguments.contains(&"--backend") {
            command.args(["--backend", &self.backend]);
        }
        if !arguments.contains(&"--broker") {
            command.args(["--broker", &self.broker]);
        }
        if !arguments.contains(&"--queues") {
            command.args(["--queues", &self.queue]);
        }
        if !arguments.contains(&"--hostname") {
            command.args(["--hostname", &self.node]);
        }
        let child = command
            .args(arguments)
            .env("TMPDIR", folder.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Worker { child, folder }
    }

    /// Has Girder send a job to the test's queue.
    pub(crate) fn send(&self, document: &Value, options: Value) -> Job<'_> {
        self.send_with(document, options, &[])
    }

    /// Has Girder send a job, and what is to follow it: `then`, `link`, `link_error`.
    pub(crate) fn send_with(
        &self,
        document: &Value,
        mut options: Value,
        parts: &[(&str, &str)],
    ) -> Job<'_> {
        let title = Uuid::new_v4().to_string();
        options["queue"] = json!(self.queue);
        options["girder_job_title"] = json!(title);
        let options = options.to_string();
        let query: Vec<_> = parts.iter().copied().chain([("options", &*options)]).collect();
        let record = self.post("docker_run", &query, document);
        if let Some(id) = record["_id"].as_str() {
            return Job { site: self, id: id.to_owned() };
        }
        // Of a chain Celery gives the last step, which has no job yet.
        self.job(|job| job["title"] == *title)
    }

    /// The first job that is so, once there is one.
    fn job(&self, so: impl Fn(&Value) -> bool) -> Job<'_> {
        let mut id = String::new();
        self.until(|| {
            let jobs = self.girder.get("job/all?limit=0");
            let found = jobs.as_array().and_then(|jobs| jobs.iter().find(|job| so(job)));
            id = found.map_or_else(String::new, |job| job["_id"].as_str().unwrap().to_owned());
            !id.is_empty()
        });
        Job { site: self, id }
    }

    /// Has Girder send a message of another task to the test's queue.
    pub(crate) fn send_other(&self, task: &str) {
        let options = json!({"queue": self.queue}).to_string();
        self.post("docker_run", &[("task", task), ("options", &options)], &json!({}));
    }

    /// Sends a message of this body, without headers, to the test's queue.
    pub(crate) fn send_body(&self, body: &Value, correlation_id: &str) {
        let options = json!({"correlation_id": correlation_id});
        self.python("send", &json!({"queue": self.queue, "body": body, "options": options}));
    }

    fn post(&self, path: &str, query: &[(&str, &str)], body: &Value) -> Value {
        ureq::post(format!("{}/{path}", self.girder.api()))
            .query_pairs(query.iter().copied())
            .header("Girder-Token", self.girder.token())
            .send_json(body)
            .and_then(|mut answer| answer.body_mut().read_json())
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// An item in Girder, by its id.
    pub(crate) fn make_item(&self, name: &str) -> String {
        self.girder.make_item(self.girder.folder(), name)
    }

    /// How many files an item has.
    pub(crate) fn files_in(&self, item: &str) -> usize {
        self.girder.get(&format!("item/{item}/files")).as_array().unwrap().len()
    }

    /// Adds a file to an item.
    pub(crate) fn add_file(&self, item: &str, name: &str, bytes: &[u8]) {
        self.girder.add_file(item, name, bytes);
    }

    /// What is in the files of an item.
    pub(crate) fn content(&self, item: &str) -> Vec<Vec<u8>> {
        let files = self.girder.get(&format!("item/{item}/files"));
        let ids = files.as_array().unwrap().iter().map(|file| file["_id"].as_str().unwrap());
        ids.map(|id| self.girder.content(id)).collect()
    }

    /// A file in Girder, by its id.
    pub(crate) fn upload(&self, name: &str, bytes: &[u8]) -> String {
        let item = self.girder.make_item(self.girder.folder(), name);
        self.girder.add_file(&item, name, bytes)
    }

    /// Celery's record of the result, where it can be read: in Redis.
    pub(crate) fn result(&self, job: &Job<'_>) -> Option<Value> {
        self.result_of(&job.task_id())
    }

    /// The same by the task's id.
    pub(crate) fn result_of(&self, task_id: &str) -> Option<Value> {
        if self.backend == "rpc://" {
            return None;
        }
        let mut connection = redis::Client::open(&*self.backend).unwrap().get_connection().unwrap();
        let key = format!("celery-task-meta-{task_id}");
        let mut found: Option<String> = None;
        self.until(|| {
            found = redis::cmd("GET").arg(&key).query(&mut connection).unwrap();
            found.is_some()
        });
        serde_json::from_str(&found.unwrap()).ok()
    }

    /// Whether Redis has a record of the result now.
    pub(crate) fn has_result(&self, job: &Job<'_>) -> bool {
        let mut connection = redis::Client::open(&*self.backend).unwrap().get_connection().unwrap();
        let key = format!("celery-task-meta-{}", job.task_id());
        redis::cmd("EXISTS").arg(&key).query(&mut connection).unwrap()
    }

    /// How many messages wait in the test's queue.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting_in(&self.queue)
    }

    pub(crate) fn waiting_in(&self, queue: &str) -> u64 {
        self.python("count", &json!({"queue": queue})).as_u64().unwrap()
    }

    /// Whether RabbitMQ has no such queue.
    pub(crate) fn is_absent(&self, queue: &str) -> bool {
        self.python("absent", &json!({"queue": queue})).as_bool().unwrap()
    }

    pub(crate) fn declare(&self, queue: &str) {
        self.python("declare", &json!({"queue": queue}));
    }

    /// What the test's worker answers to these verbs of `celery inspect`.
    pub(crate) fn inspect(&self, verbs: &[&str]) -> Value {
        let asked = json!({"destination": [self.node], "verb": verbs, "timeout": 1});
        let mut answers = self.python("inspect", &asked);
        for verb in verbs {
            answers[*verb] = answers[*verb][&self.node].take();
        }
        answers
    }

    fn python(&self, verb: &str, options: &Value) -> Value {
        python::answer_of("broker.py", &self.broker, verb, options)
    }

    /// What Python's remote control does with the broker: `tests/worker/python/control.py`.
    pub(crate) fn control(&self, verb: &str, options: &Value) -> Value {
        python::answer_of("control.py", &self.broker, verb, options)
    }

    /// Waits until something is so, asked again and again, and less and less often: Girder has one processor for all.
    pub(crate) fn until(&self, mut so: impl FnMut() -> bool) {
        let deadline = Instant::now() + SOON;
        let mut pause = Duration::from_millis(25);
        while !so() {
            assert!(Instant::now() < deadline, "it does not come about");
            thread::park_timeout(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }
}

impl Drop for Site {
    /// A worker that is to end at once has a second to remove a container. What it could not is in its record, for a
    /// prune, which would also take what other tests' workers have left.
    fn drop(&mut self) {
        let listed = Command::new("docker")
            .args(["ps", "--all", "--filter", "label=gantline.node"])
            .args(["--format", r#"{{.ID}} {{.Label "gantline.node"}}"#])
            .output();
        let listed = listed.map(|listed| listed.stdout).unwrap_or_default();
        for line in String::from_utf8_lossy(&listed).lines() {
            if let Some((id, node)) = line.split_once(' ')
                && node.ends_with(&self.queue)
            {
                let _ = Command::new("docker").args(["rm", "--force", "--volumes", id]).output();
            }
        }
    }
}

/// A container that prints a file of Girder's, which comes through a pipe.
pub(crate) fn printing(file: &str) -> Value {
    let mut job = script("");
    job["container_args"] = json!(["cat", {
        "type": "Connect",
        "input": {"type": "GirderFileIdToStream", "id": file},
        "output": {"type": "NamedInputPipe", "name": "in"},
    }]);
    job
}

/// A shell script in a container.
pub(crate) fn script(script: &str) -> Value {
    json!({
        "image": "gantline-test:busybox", "pull_image": false, "network_mode": "host",
        "container_args": ["sh", "-c", script],
    })
}

/// Makes a test for each broker of each of these functions.
macro_rules! on_both_sites {
    ($($name:ident),+ $(,)?) => {
        mod rabbitmq {
            $(#[test] fn $name() {
                super::$name(&crate::site::Site::new(crate::place::Kind::RabbitMq));
            })+
        }
        mod redis {
            $(#[test] fn $name() {
                super::$name(&crate::site::Site::new(crate::place::Kind::Redis));
            })+
        }
    };
}
pub(crate) use on_both_sites;

/// Makes a test of each of these functions that have nothing to do with the broker: on Redis, or on the one that
/// GANTLINE_TEST_ONE_BROKER names (`amqp`), with the results in Redis, where they can be read.
macro_rules! on_one_site {
    ($($name:ident),+ $(,)?) => {
        mod one {
            $(#[test] fn $name() {
                super::$name(&crate::site::Site::of_one_broker());
            })+
        }
    };
}
pub(crate) use on_one_site;
