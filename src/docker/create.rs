//! What a container is created from, as docker-py's `containers.run` puts it. Pure.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// The body of a create.
///
/// It has the members that docker-py sends for the same keywords, and no others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateContainer {
    /// A reference or an id.
    pub image: String,
    /// The command, or the arguments of the entrypoint.
    pub cmd: Vec<String>,
    /// Replaces the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// What the container is found by.
    pub labels: BTreeMap<String, String>,
    /// What the container gets of the host.
    pub host_config: HostConfig,
}

impl CreateContainer {
    /// A container of `image` that is given `cmd`, and else nothing.
    pub fn new(image: impl Into<String>, cmd: Vec<String>) -> Self {
        Self { image: image.into(), cmd, ..Self::default() }
    }
}

/// The part of a create that is about the host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostConfig {
    /// Docker's mode of networking.
    pub network_mode: String,
    /// Docker's bind strings: `host:container:mode`.
    pub binds: Vec<String>,
}

impl HostConfig {
    /// The container's side of a bind string, as docker-py finds it.
    fn targets(&self) -> impl Iterator<Item = &str> {
        self.binds.iter().map(|bind| {
            let mut parts = bind.split(':');
            let source = parts.next().unwrap_or_default();
            parts.next().unwrap_or(source)
        })
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { network_mode: "default".to_owned(), binds: Vec::new() }
    }
}

impl Serialize for CreateContainer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CreateBody {
            tty: false,
            open_stdin: false,
            stdin_once: false,
            attach_stdin: false,
            attach_stdout: true,
            attach_stderr: true,
            cmd: &self.cmd,
            entrypoint: self.entrypoint.as_deref(),
            image: &self.image,
            labels: &self.labels,
            volumes: self.host_config.targets().map(|target| (target, Empty {})).collect(),
            network_disabled: false,
            host_config: HostConfigBody {
                network_mode: &self.host_config.network_mode,
                binds: &self.host_config.binds,
            },
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateBody<'a> {
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    cmd: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<&'a [String]>,
    image: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<&'a str, Empty>,
    network_disabled: bool,
    host_config: HostConfigBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfigBody<'a> {
    network_mode: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    binds: &'a [String],
}

/// Go's `struct{}`.
#[derive(Serialize)]
struct Empty {}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What docker-py 7.2.0 sends for `containers.run("my/image", ["a", "b"])`, with `more`.
    fn docker_py(more: Value, host_config: Value) -> Value {
        let mut body = json!({
            "Tty": false, "OpenStdin": false, "StdinOnce": false, "AttachStdin": false,
            "AttachStdout": true, "AttachStderr": true, "Cmd": ["a", "b"], "Image": "my/image",
            "NetworkDisabled": false, "HostConfig": {"NetworkMode": "default"}
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let host = body["HostConfig"].as_object_mut().unwrap();
        host.extend(host_config.as_object().unwrap().clone());
        body
    }

    fn container() -> CreateContainer {
        CreateContainer::new("my/image", vec!["a".to_owned(), "b".to_owned()])
    }

    fn sent(container: &CreateContainer) -> Value {
        serde_json::to_value(container).unwrap()
    }

    #[test]
    fn nothing_asked_for_sends_what_docker_py_sends() {
        assert_eq!(sent(&container()), docker_py(json!({}), json!({})));
    }

    #[test]
    fn entrypoint_and_labels_are_docker_pys() {
        let mut container = container();
        container.entrypoint = Some(vec!["/bin/sh".to_owned(), "-c".to_owned()]);
        container.labels.insert("a".to_owned(), "b".to_owned());
        let more = json!({"Entrypoint": ["/bin/sh", "-c"], "Labels": {"a": "b"}});
        assert_eq!(sent(&container), docker_py(more, json!({})));
    }

    #[test]
    fn binds_are_sent_as_they_are_and_their_targets_as_volumes() {
        for (binds, targets) in [
            (
                vec!["/home/user1/:/mnt/vol2:rw", "/var/www:/mnt/vol1:ro"],
                vec!["/mnt/vol2", "/mnt/vol1"],
            ),
            (
                vec!["/home/user1/:/mnt/vol2", "/var/www:/mnt/vol1:ro"],
                vec!["/mnt/vol2", "/mnt/vol1"],
            ),
            (vec!["named:/data:rw"], vec!["/data"]),
            (vec!["/a:/b:rw,rshared"], vec!["/b"]),
            (vec!["/anonymous"], vec!["/anonymous"]),
        ] {
            let mut container = container();
            container.host_config.binds = binds.iter().map(|&bind| bind.to_owned()).collect();
            let volumes: BTreeMap<_, _> = targets.into_iter().map(|at| (at, json!({}))).collect();
            assert_eq!(
                sent(&container),
                docker_py(json!({"Volumes": volumes}), json!({"Binds": binds}))
            );
        }
    }

    #[test]
    fn the_network_mode_is_docker_pys() {
        let mut container = container();
        container.host_config.network_mode = "none".to_owned();
        assert_eq!(sent(&container), docker_py(json!({}), json!({"NetworkMode": "none"})));
    }
}
