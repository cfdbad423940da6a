//! How a container is made, in docker-py's keywords.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::JobSpec;
use super::volume::{BindMount, Volume};

/// docker-py's keywords of one container, each checked and made what the engine takes.
///
/// A keyword that is null is set, to docker's default: an option of
/// `GIRDER_WORKER_DOCKER_RUN_OPTIONS` does not take its place.
#[derive(Clone, Default, PartialEq)]
pub struct ContainerOptions {
    settings: BTreeMap<&'static str, Setting>,
}

#[derive(Clone, PartialEq)]
struct Setting {
    goes: Goes,
    value: Value,
}

/// Where in the body of a create a keyword's value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// A member of the body.
    Config(&'static str),
    /// A member of `HostConfig`.
    Host(&'static str),
    /// A member of `HostConfig`, unless it is false, zero or empty.
    HostUnlessEmpty(&'static str),
    /// It has a function below.
    Elsewhere,
}

/// Whether a container needs a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gpu {
    /// Without one, the run fails.
    Required,
    /// Without one, it goes on, with a warning.
    Preferred,
}

impl ContainerOptions {
    /// Whether a keyword is set, if only to null.
    pub fn is_set(&self, keyword: &str) -> bool {
        self.settings.contains_key(keyword)
    }

    /// The keywords that are set.
    pub fn keywords(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.settings.keys().copied()
    }

    /// Takes every option of `other` that is not set here.
    fn fill_from(&mut self, other: &Self) {
        for (keyword, setting) in &other.settings {
            self.settings.entry(keyword).or_insert_with(|| setting.clone());
        }
    }

    pub(super) fn put(&mut self, keyword: &'static str, goes: Goes, value: Value) {
        self.settings.insert(keyword, Setting { goes, value });
    }

    /// The container's name.
    pub fn name(&self) -> Option<&str> {
        // docker takes a slash before it, and drops it.
        self.text("name").map(|name| name.strip_prefix('/').unwrap_or(name))
    }

    /// Which of the image's platforms.
    pub fn platform(&self) -> Option<&str> {
        self.text("platform")
    }

    /// The network to join: `network`, or else `network_mode`.
    pub fn network_mode(&self) -> Option<&str> {
        self.text("network").or_else(|| self.text("network_mode"))
    }

    /// Whether the job itself says that it needs a GPU.
    pub fn gpu(&self) -> Option<Gpu> {
        match self.text("gpu")? {
            "required" => Some(Gpu::Required),
            _ => Some(Gpu::Preferred),
        }
    }

    /// The engine's runtime.
    pub fn runtime(&self) -> Option<&str> {
        self.text("runtime").filter(|runtime| !runtime.is_empty())
    }

    /// Whether the job asks for devices of a driver itself.
    pub fn has_device_requests(&self) -> bool {
        self.value("device_requests").is_some()
    }

    /// Whether the container is to go when it has exited, whatever `remove_container` says.
    pub fn removes_itself(&self) -> bool {
        self.flag("auto_remove") || self.flag("remove")
    }

    /// Whether its standard input stays open.
    pub fn keeps_stdin_open(&self) -> bool {
        self.flag("stdin_open")
    }

    /// Whether it would be started again when it has exited.
    pub fn restarts(&self) -> bool {
        let policy = self.value("restart_policy").and_then(|policy| policy.get("Name")?.as_str());
        policy.is_some_and(|name| !matches!(name, "" | "no"))
    }

    /// Whether it is to have the proxies of docker's configuration.
    pub fn uses_config_proxy(&self) -> bool {
        self.value("use_config_proxy") != Some(&Value::Bool(false))
    }

    /// The job's own labels.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.value("labels").and_then(Value::as_object).into_iter().flatten();
        labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").into())).collect()
    }

    /// The members of the body of a create that are not in `HostConfig`.
    pub fn config(&self) -> Map<String, Value> {
        let mut config = self.members(|setting| match setting.goes {
            Goes::Config(member) => Some(member),
            _ => None,
        });
        config.retain(|_, value| !is_empty_list(value));
        if let Some(ports) = self.value("ports").and_then(Value::as_object) {
            let exposed = ports.keys().map(|port| (port.clone(), json!({})));
            let exposed: Map<_, _> = exposed.collect();
            if !exposed.is_empty() {
                config.insert("ExposedPorts".to_owned(), exposed.into());
            }
        }
        if self.keeps_stdin_open() {
            for member in ["OpenStdin", "StdinOnce", "AttachStdin"] {
                config.insert(member.to_owned(), true.into());
            }
        }
        if let Some(network) = self.text("network") {
            let endpoints = self.value("networking_config");
            let networking = match endpoints.filter(|all| all.get(network).is_some()) {
                Some(endpoints) => json!({ "EndpointsConfig": endpoints }),
                None => json!({ network: null }),
            };
            config.insert("NetworkingConfig".to_owned(), networking);
        }
        config
    }

    /// The members of the body's `HostConfig`.
    pub fn host_config(&self) -> Map<String, Value> {
        let mut config = self.members(|setting| match setting.goes {
            Goes::Host(member) => Some(member),
            Goes::HostUnlessEmpty(member) => (!is_empty(&setting.value)).then_some(member),
            _ => None,
        });
        if self.removes_itself() {
            config.insert("AutoRemove".to_owned(), true.into());
        }
        if let Some(network) = self.network_mode() {
            config.insert("NetworkMode".to_owned(), network.into());
        }
        config
    }

    fn members(&self, member: impl Fn(&Setting) -> Option<&'static str>) -> Map<String, Value> {
        let there = self.settings.values().filter(|setting| !setting.value.is_null());
        there
            .filter_map(|setting| Some((member(setting)?.to_owned(), setting.value.clone())))
            .collect()
    }

    fn value(&self, keyword: &str) -> Option<&Value> {
        self.settings.get(keyword).map(|setting| &setting.value).filter(|value| !value.is_null())
    }

    fn text(&self, keyword: &str) -> Option<&str> {
        self.value(keyword).and_then(Value::as_str)
    }

    fn flag(&self, keyword: &str) -> bool {
        self.value(keyword) == Some(&Value::Bool(true))
    }
}

impl fmt::Debug for ContainerOptions {
    /// Values may be passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.settings.keys()).finish()
    }
}

/// What Python takes for false.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// `GIRDER_WORKER_DOCKER_RUN_OPTIONS`: what is added to every container that a worker makes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunOptions {
    pub(super) container: ContainerOptions,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) volumes: Vec<BindMount>,
}

impl RunOptions {
    /// Adds the options to a job. What the job says itself goes first, but for volumes: one of the
    /// options takes the place of the job's of the same host path.
    pub fn merge_into(&self, job: &mut JobSpec) {
        job.container.fill_from(&self.container);
        if job.entrypoint.is_none() {
            job.entrypoint.clone_from(&self.entrypoint);
        }
        for volume in &self.volumes {
            let same = |other: &&mut Volume| match other {
                Volume::Bind(bind) => {
                    bind.host_path == volume.host_path
                        && (!volume.is_anonymous() || bind.container_path == volume.container_path)
                }
                Volume::Temporary(_) => false,
            };
            match job.volumes.iter_mut().find(same) {
                Some(other) => *other = Volume::Bind(volume.clone()),
                None => job.volumes.push(Volume::Bind(volume.clone())),
            }
        }
    }
}
