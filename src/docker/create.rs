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
