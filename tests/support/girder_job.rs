//! A job in a real Girder, as a worker would get it.

use serde_json::{Value, json};

use super::girder::Girder;

/// A job that Girder has queued.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    /// What a job document takes as `girder_job`.
    pub(crate) info: Value,
    record: String,
    token: String,
}

impl Job {
    /// Has Girder make one.
    pub(crate) fn new(girder: &Girder) -> Self {
        let mut made: Value = ureq::post(format!("{}/docker_run", girder.api()))
            .header("Girder-Token", girder.token())
            .send_json(json!({"image": "unused"}))
            .and_then(|mut answer| answer.body_mut().read_json())
            .unwrap();
        let info = made["jobInfoSpec"].take();
        let id = made["_id"].as_str().expect("an id").to_owned();
        let info = json!({
            "url": info["url"], "method": info["method"], "headers": info["headers"],
        });
        let record = format!("{}/job/{id}", girder.api());
        Self { id, info, record, token: girder.token().to_owned() }
    }

    /// What Girder knows of it.
    pub(crate) fn record(&self) -> Value {
        ureq::get(&self.record)
            .header("Girder-Token", &self.token)
            .call()
            .and_then(|mut answer| answer.body_mut().read_json())
            .unwrap()
    }

    /// Its log, whole.
    pub(crate) fn log(&self) -> String {
        let record = self.record();
        let pieces = record["log"].as_array().expect("a log");
        pieces.iter().map(|piece| piece.as_str().unwrap()).collect()
    }

    /// Its statuses, in their order.
    pub(crate) fn statuses(&self) -> Vec<u64> {
        let record = self.record();
        let stamps = record["timestamps"].as_array().expect("timestamps");
        stamps.iter().map(|stamp| stamp["status"].as_u64().unwrap()).collect()
    }

    /// Changes it, as somebody else does.
    pub(crate) fn set(&self, name: &str, value: &str) {
        ureq::put(&self.record)
            .header("Girder-Token", &self.token)
            .send_form([(name, value)])
            .unwrap();
    }
}
