//! Jobs that go on when the test says so, however long it takes until then.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::script;

/// Shell: waits until the test lets it go on.
pub(crate) const HOLDS: &str = "until [ -e /held/goes ]; do sleep 0.1; done";

/// A folder that a job and a test share.
pub(crate) struct Held(TempDir);

impl Held {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("gantline-held-").unwrap())
    }

    /// The job of a shell script, in which [`HOLDS`] waits.
    pub(crate) fn script(&self, text: &str) -> Value {
        let mut job = script(text);
        let folder = self.0.path().to_str().unwrap();
        job["volumes"] = json!({folder: {"bind": "/held", "mode": "rw"}});
        job
    }

    /// The folder, which is the container's `/held`.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// It goes on, and whoever comes there later does not wait.
    pub(crate) fn goes_on(&self) {
        fs::write(self.0.path().join("goes"), "").unwrap();
    }
}
