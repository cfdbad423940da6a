//! The engine's log of a container's output.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::Client;
use super::conn::Reply;
use super::container::ContainerId;
use super::error::DockerError;
use super::reply;
use super::request::Request;

/// A container's log on its way. It comes in [frames](super::frame), as an attach does.
#[derive(Debug)]
pub struct Log(Reply);

impl Log {
    /// The next bytes; none when that was all. Of a container that runs, that is its exit.
    ///
    /// # Errors
    /// The engine goes away.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DockerError> {
        self.0.next_bytes().await
    }
}

impl Client {
    /// Reads what a container has written from its first byte on, and what it writes until it exits. Bytes that are
    /// not UTF-8 are replaced: docker keeps its log as JSON.
    ///
    /// # Errors
    /// Those of every call; the engine keeps no log.
    pub async fn log(&self, id: &ContainerId) -> Result<Log, DockerError> {
        let request = Request::get(format!("/containers/{id}/logs"))
            .query("stdout", "1")
            .query("stderr", "1")
            .query("follow", "1");
        self.head(request).await.map(Log)
    }
}

/// How the engine keeps a container's log.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LogConfig {
    #[serde(default, rename = "Type")]
    driver: String,
    #[serde(default, rename = "Config", deserialize_with = "reply::nullable")]
    options: BTreeMap<String, String>,
}

impl LogConfig {
    /// Whether it has everything. In the mode `non-blocking` lines are dropped when there are too many.
    pub(super) fn keeps_all(&self) -> bool {
        let is_bounded = self.options.contains_key("max-size");
        let may_drop = self.options.get("mode").is_some_and(|mode| mode != "blocking");
        self.driver == "json-file" && !is_bounded && !may_drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_log_without_a_bound_keeps_all() {
        let keeps_all = |text| serde_json::from_str::<LogConfig>(text).unwrap().keeps_all();
        assert!(keeps_all(r#"{"Type": "json-file", "Config": {}}"#));
        assert!(keeps_all(r#"{"Type": "json-file", "Config": {"mode": "blocking"}}"#));
        assert!(!keeps_all(r#"{"Type": "json-file", "Config": {"max-size": "10m"}}"#));
        assert!(!keeps_all(r#"{"Type": "json-file", "Config": {"mode": "non-blocking"}}"#));
        assert!(!keeps_all(r#"{"Type": "journald", "Config": null}"#));
        assert!(!keeps_all("{}"));
    }
}
