//! What is kept over the end of the process, while it lives.
//!
//! A disk takes its time, and everything else that the worker does is on one thread. So a change is only noted here,
//! and one task has the file written beside ([`keep_saving`]): one writing after the other, each with all that was
//! noted until it began. Who must not go on before a change is kept waits for it ([`Node::state_is_saved`]).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;

use super::celery::GirderHeaders;
use super::job::Job;
use super::node::Node;
use super::state_file::{Remembered, RunningJob, StateFile, ToRemember};
use crate::run::chain;
use crate::spec::{GirderJob, GirderSession, HttpUrl, Secret};

/// The file, if there is one, and what is in it.
#[derive(Debug, Default)]
pub(super) struct State {
    file: Option<Arc<StateFile>>,
    /// The worker's name.
    node: String,
    running: RefCell<Vec<RunningJob>>,
    /// How many changes there were.
    changes: Cell<u64>,
    more: Notify,
    /// How many of them are in the file.
    saved: watch::Sender<u64>,
}

impl State {
    /// A state that is kept in a file.
    pub(super) fn kept(file: StateFile, remembered: Remembered) -> Self {
        let Remembered { node, running, .. } = remembered;
        Self { file: Some(Arc::new(file)), node, running: RefCell::new(running), ..Self::default() }
    }
}

impl Node {
    /// Writes down a job that runs.
    pub(super) fn remembers(&self, job: &Job, run_id: &str) {
        let head = &job.task().head;
        self.state.running.borrow_mut().push(RunningJob {
            task_id: head.id.clone(),
            run_id: run_id.to_owned(),
            job: job_to_json(&head.girder),
            comes_again: self.settings.acks_late,
        });
        self.save_state();
    }

    /// What was running when the last process of this node ended.
    pub(super) fn died(&self) -> Vec<RunningJob> {
        self.state.running.borrow().clone()
    }

    /// Strikes out a job that is over.
    pub(super) fn forgets(&self, task_id: &str) {
        let mut running = self.state.running.borrow_mut();
        let before = running.len();
        running.retain(|job| job.task_id != task_id);
        let has_changed = running.len() != before;
        drop(running);
        if has_changed {
            self.save_state();
        }
    }

    /// A job is over, and Girder could not be told: the next start tells it, whether or not its message was to come
    /// again.
    pub(super) fn leaves_untold(&self, task_id: &str) {
        let mut running = self.state.running.borrow_mut();
        for job in running.iter_mut().filter(|job| job.task_id == task_id) {
            job.comes_again = false;
        }
        drop(running);
        self.save_state();
    }

    /// Has the file written, some time.
    pub(super) fn save_state(&self) {
        if self.state.file.is_some() {
            self.state.changes.set(self.state.changes.get() + 1);
            self.state.more.notify_one();
        }
    }

    /// Waits until the file has what has changed until now, or the system has refused it.
    pub(super) async fn state_is_saved(&self) {
        let changes = self.state.changes.get();
        // The sender lives as long as this is borrowed.
        let _ = self.state.saved.subscribe().wait_for(|saved| *saved >= changes).await;
    }
}

/// Writes the file whenever something has changed, for ever.
pub(super) async fn keep_saving(node: Rc<Node>) {
    let state = &node.state;
    let Some(file) = &state.file else { return };
    loop {
        let changes = state.changes.get();
        if changes == *state.saved.borrow() {
            state.more.notified().await;
            continue;
        }
        // To write down fifty thousand ids takes a while: it is done beside as well.
        let revoked = node.revoked.borrow().clone();
        let (node, running) = (state.node.clone(), state.running.borrow().clone());
        let file = Arc::clone(file);
        let save =
            move || file.save(&ToRemember { node: &node, revoked: &revoked, running: &running });
        match spawn_blocking(save).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("{}", chain(&error)),
            Err(error) => tracing::error!(%error, "writing the state file panicked"),
        }
        state.saved.send_replace(changes);
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
