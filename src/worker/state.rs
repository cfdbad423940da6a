//! What is kept over the end of the process, while it lives.

use std::cell::RefCell;

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
    let GirderJob { url, headers, method, .. } = girder.job.as_ref()?;
    let headers = headers.iter().map(|(name, value)| (name.clone(), json!(value.expose())));
    let headers = Value::Object(headers.collect());
    Some(json!({"url": url.as_url().as_str(), "method": method, "headers": headers}))
}

/// The job in Girder of what ran when a worker died.
pub(super) fn job_of(running: &RunningJob) -> Option<GirderJob> {
    let job = running.job.as_ref()?;
    let headers = job.get("headers")?.as_object()?.iter();
    let headers =
        headers.filter_map(|(name, value)| Some((name.clone(), Secret::new(value.as_str()?))));
    Some(GirderJob {
        url: HttpUrl::parse(job.get("url")?.as_str()?)?,
        headers: headers.collect(),
        method: job.get("method")?.as_str()?.to_owned(),
        session: GirderSession::default(),
    })
}
