//! What is kept over the end of the process, while it lives.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::celery::GirderHeaders;
use super::job::Job;
use super::node::Node;
use super::state_file::{Remembered, RunningJob, StateFile};
use crate::run::chain;
use crate::spec::{GirderJob, GirderSession, HttpUrl, Secret};

/// The file, if there is one, and what is in it.
#[derive(Debug, Default)]
pub(super) struct State {
    file: Option<StateFile>,
    remembered: RefCell<Remembered>,
}

impl State {
    /// A state that is kept in a file.
    pub(super) fn kept(file: StateFile, remembered: Remembered) -> Self {
        Self { file: Some(file), remembered: RefCell::new(remembered) }
    }
}

impl Node {
    /// Writes down a job that runs.
    pub(super) fn remembers(&self, job: &Job, run_id: &str) {
        let head = &job.task().head;
        self.state.remembered.borrow_mut().running.push(RunningJob {
            task_id: head.id.clone(),
            run_id: run_id.to_owned(),
            job: job_to_json(&head.girder),
            comes_again: self.settings.acks_late,
        });
        self.save_state();
    }

    /// What was running when the last process of this node ended.
    pub(super) fn died(&self) -> Vec<RunningJob> {
        self.state.remembered.borrow().running.clone()
    }

    /// Strikes out a job that is over.
    pub(super) fn forgets(&self, task_id: &str) {
        let mut remembered = self.state.remembered.borrow_mut();
        let before = remembered.running.len();
        remembered.running.retain(|job| job.task_id != task_id);
        let has_changed = remembered.running.len() != before;
        drop(remembered);
        if has_changed {
            self.save_state();
        }
    }

    /// Writes the file.
    pub(super) fn save_state(&self) {
        let Some(file) = &self.state.file else { return };
        let mut remembered = self.state.remembered.borrow_mut();
        remembered.revoked = self.revoked_to_keep();
        if let Err(error) = file.save(&remembered) {
            tracing::error!("{}", chain(&error));
        }
    }
}

fn job_to_json(girder: &GirderHeaders) -> Option<Value> {
    let GirderJob { url, headers, method, session } = girder.job.as_ref()?;
    Some(json!({
        "url": url.as_url().as_str(),
        "method": method,
        "headers": secrets(headers),
        "session": {
            "ca_file": session.ca_file,
            "unverified": session.unverified,
            "certificate": session.certificate,
            "proxies": secrets(&session.proxies),
        },
    }))
}

fn secrets(named: &BTreeMap<String, Secret>) -> Value {
    let named = named.iter().map(|(name, value)| (name.clone(), json!(value.expose())));
    Value::Object(named.collect())
}

/// The job in Girder of what ran when a worker died.
pub(super) fn job_of(running: &RunningJob) -> Option<GirderJob> {
    let written = Written::deserialize(running.job.as_ref()?).ok()?;
    let named = |named: BTreeMap<String, String>| {
        named.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()
    };
    let WrittenSession { ca_file, unverified, certificate, proxies } = written.session;
    let session = GirderSession { ca_file, unverified, certificate, proxies: named(proxies) };
    let url = HttpUrl::parse(&written.url)?;
    Some(GirderJob { url, headers: named(written.headers), method: written.method, session })
}

/// A job as [`job_to_json`] writes it.
#[derive(Deserialize)]
struct Written {
    url: String,
    method: String,
    headers: BTreeMap<String, String>,
    /// An earlier version wrote none.
    #[serde(default)]
    session: WrittenSession,
}

#[derive(Default, Deserialize)]
struct WrittenSession {
    ca_file: Option<PathBuf>,
    unverified: bool,
    certificate: Option<(PathBuf, PathBuf)>,
    proxies: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(job: Option<Value>) -> RunningJob {
        let (task_id, run_id) = ("t".to_owned(), "r".to_owned());
        RunningJob { task_id, run_id, job, comes_again: false }
    }

    #[test]
    fn a_job_is_told_after_its_workers_death_as_it_was_before() {
        let secret = |name: &str, value: &str| [(name.to_owned(), Secret::new(value))].into();
        let session = GirderSession {
            ca_file: Some("/ca.pem".into()),
            unverified: true,
            certificate: Some(("/c.pem".into(), "/k.pem".into())),
            proxies: secret("https", "http://proxy"),
        };
        let job = GirderJob {
            url: HttpUrl::parse("https://host/api/v1/job/5f").unwrap(),
            headers: secret("Girder-Token", "token"),
            method: "PUT".to_owned(),
            session,
        };
        let girder = GirderHeaders { job: Some(job.clone()), ..GirderHeaders::default() };
        assert_eq!(job_of(&written(job_to_json(&girder))), Some(job));
        let earlier = json!({"url": "https://host/api/v1/job/5f", "method": "PUT", "headers": {}});
        assert_eq!(job_of(&written(Some(earlier))).unwrap().session, GirderSession::default());
        assert_eq!(job_of(&written(None)), None);
    }
}
