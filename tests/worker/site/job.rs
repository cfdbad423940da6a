//! A job that Girder has sent, as Girder and the engine see it.

use std::process::Command;

use serde_json::Value;

use super::Site;

/// A job that was sent.
pub(crate) struct Job<'a> {
    pub(super) site: &'a Site,
    pub(super) id: String,
}

impl Job<'_> {
    fn record(&self) -> Value {
        self.site.girder.get(&format!("job/{}", self.id))
    }

    /// Whether it has this id in Girder.
    pub(crate) fn is(&self, id: &str) -> bool {
        self.id == id
    }

    pub(crate) fn task_id(&self) -> String {
        self.record()["celeryTaskId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn log(&self) -> String {
        let record = self.record();
        let pieces = record["log"].as_array().into_iter().flatten();
        pieces.map(|piece| piece.as_str().unwrap()).collect()
    }

    /// How far it says that it is.
    pub(crate) fn progress(&self) -> Value {
        self.record()["progress"].take()
    }

    /// How many bytes it has in Girder, as JSON.
    pub(crate) fn size(&self) -> usize {
        self.record().to_string().len()
    }

    /// The statuses that it was given, in their order.
    pub(crate) fn statuses(&self) -> Vec<u64> {
        let record = self.record();
        let stamps = record["timestamps"].as_array().into_iter().flatten();
        stamps.map(|stamp| stamp["status"].as_u64().unwrap()).collect()
    }

    /// Waits for its end; its last status.
    pub(crate) fn ended(&self) -> u64 {
        let mut status = 0;
        self.site.until(|| {
            status = self.record()["status"].as_u64().unwrap();
            matches!(status, 3..=5)
        });
        status
    }

    /// The job that follows it, once there is one.
    pub(crate) fn child(&self) -> Job<'_> {
        self.site.job(|job| job["parentId"] == *self.id)
    }

    /// Waits until its log has something.
    pub(crate) fn says(&self, words: &str) {
        self.site.until(|| self.log().contains(words));
    }

    /// Cancels it as somebody in Girder does.
    pub(crate) fn cancel(&self) {
        ureq::put(format!("{}/job/{}/cancel", self.site.girder.api(), self.id))
            .header("Girder-Token", self.site.girder.token())
            .send_empty()
            .unwrap();
    }

    /// Gives it a status, of which the broker hears nothing.
    pub(crate) fn becomes(&self, status: u64) {
        ureq::put(format!("{}/job/{}", self.site.girder.api(), self.id))
            .query("status", status.to_string())
            .header("Girder-Token", self.site.girder.token())
            .send_empty()
            .unwrap();
    }

    /// Whether a job follows it.
    pub(crate) fn has_child(&self) -> bool {
        let jobs = self.site.girder.get("job/all?limit=0");
        jobs.as_array().unwrap().iter().any(|job| job["parentId"] == *self.id)
    }

    /// Deletes it in Girder.
    pub(crate) fn delete(&self) {
        ureq::delete(format!("{}/job/{}", self.site.girder.api(), self.id))
            .header("Girder-Token", self.site.girder.token())
            .call()
            .unwrap();
    }

    /// Whether a container of it is there, running or not.
    pub(crate) fn has_container(&self) -> bool {
        !self.containers().is_empty()
    }

    /// The ids of its containers, running or not.
    pub(crate) fn containers(&self) -> Vec<String> {
        let label = format!("label=gantline.task={}", self.task_id());
        let found =
            Command::new("docker").args(["ps", "-aq", "--filter", &label]).output().unwrap();
        String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}
