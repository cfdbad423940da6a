//! What a container is created from, as docker-py's `containers.run` puts it. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// A create: the members that docker-py sends for the same keywords, and no others.
#[derive(Clone, Default, PartialEq)]
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
    /// Which of the image's platforms (`linux/arm64`).
    pub platform: Option<String>,
    /// Further members of the body, in the engine's words; they go before those that every create
    /// has.
    pub config: Map<String, Value>,
    /// What the container gets of the host.
    pub host_config: HostConfig,
}

impl CreateContainer {
    /// A container of `image` that is given `cmd`, and else nothing.
    pub fn new(image: impl Into<String>, cmd: Vec<String>) -> Self {
        Self { image: image.into(), cmd, ..Self::default() }
    }

    /// Gives it variables (`NAME=value`); those that it has already go before them.
    pub fn add_variables(&mut self, mut variables: Vec<Value>) {
        if variables.is_empty() {
            return;
        }
        // The last of a name counts.
        if let Some(Value::Array(own)) = self.config.get_mut("Env") {
            variables.append(own);
        }
        self.config.insert("Env".to_owned(), variables.into());
    }

    /// What stands behind the path of the call, for a container of this name.
    pub fn query(&self, name: &str) -> Vec<(&'static str, String)> {
        let platform = self.platform.iter().map(|platform| ("platform", platform.clone()));
        std::iter::once(("name", name.to_owned())).chain(platform).collect()
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        for (name, value) in [
            ("Tty", false),
            ("OpenStdin", false),
            ("StdinOnce", false),
            ("AttachStdin", false),
            ("AttachStdout", true),
            ("AttachStderr", true),
            ("NetworkDisabled", false),
        ] {
            put(name, value.into());
        }
        put("Image", self.image.as_str().into());
        put("Cmd", self.cmd.as_slice().into());
        if let Some(entrypoint) = &self.entrypoint {
            put("Entrypoint", entrypoint.as_slice().into());
        }
        if !self.labels.is_empty() {
            put("Labels", json!(self.labels));
        }
        let volumes: Map<String, Value> =
            self.host_config.targets().map(|target| (target.to_owned(), json!({}))).collect();
        if !volumes.is_empty() {
            put("Volumes", volumes.into());
        }
        put("HostConfig", self.host_config.body().into());
        body.extend(self.config.clone());
        body
    }
}

/// The part of a create that is about the host.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct HostConfig {
    /// Docker's mode of networking.
    pub network_mode: String,
    /// Docker's bind strings: `host:container:mode`.
    pub binds: Vec<String>,
    /// Further members, in the engine's words; they go before those above.
    pub config: Map<String, Value>,
}

impl HostConfig {
    /// Mounts a folder of the host; its path may have a colon, which a bind string cannot.
    pub fn add_mount(&mut self, source: &str, target: &str, is_read_only: bool) {
        let mut mount = json!({"Type": "bind", "Source": source, "Target": target});
        if is_read_only {
            mount["ReadOnly"] = true.into();
        }
        match self.config.get_mut("Mounts") {
            Some(Value::Array(mounts)) => mounts.push(mount),
            _ => {
                self.config.insert("Mounts".to_owned(), json!([mount]));
            }
        }
    }

    /// The container's side of a bind string, as docker-py finds it.
    fn targets(&self) -> impl Iterator<Item = &str> {
        self.binds.iter().map(|bind| {
            let mut parts = bind.split(':');
            let source = parts.next().unwrap_or_default();
            parts.next().unwrap_or(source)
        })
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("NetworkMode".to_owned(), self.network_mode.as_str().into());
        if !self.binds.is_empty() {
            body.insert("Binds".to_owned(), self.binds.as_slice().into());
        }
        body.extend(self.config.clone());
        body
    }
}

impl fmt::Debug for CreateContainer {
    /// Variables and arguments may be passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateContainer")
            .field("image", &self.image)
            .field("labels", &self.labels)
            .field("config", &self.config.keys())
            .field("host_config", &self.host_config)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HostConfig {
    /// Options of log drivers may be passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfig")
            .field("network_mode", &self.network_mode)
            .field("binds", &self.binds)
            .field("config", &self.config.keys())
            .finish()
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { network_mode: "default".to_owned(), binds: Vec::new(), config: Map::new() }
    }
}

impl Serialize for CreateContainer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
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
    fn added_variables_stand_before_the_jobs_own() {
        let mut container = container();
        container.add_variables(Vec::new());
        assert_eq!(sent(&container), docker_py(json!({}), json!({})));
        container.config.insert("Env".to_owned(), json!(["A=own"]));
        container.add_variables(vec!["A=proxy".into()]);
        assert_eq!(sent(&container), docker_py(json!({"Env": ["A=proxy", "A=own"]}), json!({})));
        assert!(!format!("{container:?}").contains("own"));
    }

    #[test]
    fn the_network_mode_is_docker_pys() {
        let mut container = container();
        container.host_config.network_mode = "none".to_owned();
        assert_eq!(sent(&container), docker_py(json!({}), json!({"NetworkMode": "none"})));
    }
}
