//! The life of a container.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::json;

use super::Client;
use super::clock;
use super::conn::Reply;
use super::create::CreateContainer;
use super::error::{AnswerError, DockerError};
use super::log::LogConfig;
use super::reply;
use super::request::Request;

/// The id that the engine gave a container: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ContainerId(String);

impl ContainerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An id becomes a part of paths, so nothing else may become an id.
impl TryFrom<String> for ContainerId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, &'static str> {
        let hexadecimal = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match (12..=64).contains(&id.len()) && hexadecimal {
            true => Ok(Self(id)),
            false => Err("not the id of a container"),
        }
    }
}

/// A container that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Created {
    /// What it is called from now on.
    pub id: ContainerId,
    /// What the engine did not like and did anyway.
    pub warnings: Vec<String>,
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerState {
    /// `created`, `running`, `exited`, `dead`, …
    pub status: String,
    /// Whether its process lives.
    pub running: bool,
    /// The last exit code. After a start that failed: 127 or 126, as a shell's; else 128.
    pub exit_code: i64,
    /// Whether the kernel killed one of its processes for memory.
    pub oom_killed: bool,
    /// The engine's words for what went wrong, when something did.
    pub error: Option<String>,
    /// The image that it was made of: the digest of its configuration.
    pub image_id: Option<String>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Its addresses, one for each network that it has one on.
    pub addresses: Vec<String>,
    /// What is mounted into it.
    pub mounts: Vec<MountPoint>,
    /// When it ended, by the engine's clock, if it has.
    pub finished: Option<SystemTime>,
    /// Whether its log has its output from the first byte to the last: one that is kept elsewhere may not, and one
    /// that is bounded loses its beginning.
    pub is_log_whole: bool,
}

/// Something that is mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct MountPoint {
    /// The engine's path of it; empty of what has none.
    #[serde(default)]
    pub source: String,
    /// Its path in the container.
    #[serde(default)]
    pub destination: String,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exit {
    /// 128 and the signal's number, when a signal ended it.
    pub status_code: i64,
    /// What went wrong while the engine waited.
    pub error: Option<String>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ContainerSummary {
    /// The container.
    pub id: ContainerId,
    /// Its names, each with a slash before it.
    #[serde(default, deserialize_with = "reply::nullable")]
    pub names: Vec<String>,
    /// The reference that it was created from.
    #[serde(default, deserialize_with = "reply::nullable")]
    pub image: String,
    /// What it is found by.
    #[serde(default, deserialize_with = "reply::nullable")]
    pub labels: BTreeMap<String, String>,
    /// `created`, `running`, `exited`, …
    #[serde(default, deserialize_with = "reply::nullable")]
    pub state: String,
    /// When it was created, in seconds since 1970.
    #[serde(default)]
    pub created: i64,
}

/// How a container is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Kills it first when it runs.
    pub force: bool,
    /// Removes its anonymous volumes too.
    pub volumes: bool,
}

impl Client {
    /// Creates a container; it is not started.
    ///
    /// A create that timed out may have made the container all the same: find it by its name.
    ///
    /// # Errors
    /// [`DockerError::is_not_found`] when the image is not there, [`DockerError::is_conflict`]
    /// when the name is taken.
    pub async fn create(
        &self,
        name: &str,
        container: &CreateContainer,
    ) -> Result<Created, DockerError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            id: ContainerId,
            #[serde(default, deserialize_with = "reply::nullable")]
            warnings: Vec<String>,
        }
        let body = serde_json::to_vec(container)
            .map_err(|_| DockerError::Bug("a create that is no JSON"))?;
        let mut request = Request::post("/containers/create").json(body);
        for (name, value) in container.query(name) {
            request = request.query(name, value);
        }
        let Answer { id, warnings } = self.ask(request).await?;
        let warnings = warnings.iter().filter_map(|warning| reply::remark(warning)).collect();
        Ok(Created { id, warnings })
    }

    /// Starts a container that was created.
    ///
    /// # Errors
    /// [`DockerError::start_failure`] tells a command that is not there from others. The container
    /// then stays `created`, its attach ends, its wait does not.
    pub async fn start(&self, id: &ContainerId) -> Result<(), DockerError> {
        self.tell(Request::post(format!("/containers/{id}/start"))).await
    }

    /// Begins to wait for the next exit of a container. Ask before the start: after the exit there
    /// is no next one.
    ///
    /// Returns as soon as the engine waits, which it says in the head of its answer.
    ///
    /// # Errors
    /// Those of every call, and of the time until that head has come.
    pub async fn wait_next_exit(&self, id: &ContainerId) -> Result<ExitWait, DockerError> {
        self.wait_until(id, "next-exit").await
    }

    /// Begins to wait until a container that was started does not run; that may be so already.
    ///
    /// # Errors
    /// As [`wait_next_exit`](Self::wait_next_exit).
    pub async fn wait_not_running(&self, id: &ContainerId) -> Result<ExitWait, DockerError> {
        self.wait_until(id, "not-running").await
    }

    async fn wait_until(
        &self,
        id: &ContainerId,
        condition: &'static str,
    ) -> Result<ExitWait, DockerError> {
        let request = Request::post(format!("/containers/{id}/wait")).query("condition", condition);
        Ok(ExitWait { reply: self.head(request).await? })
    }

    /// Looks at a container.
    ///
    /// # Errors
    /// [`DockerError::is_not_found`] when it is not there.
    pub async fn inspect(&self, id: &ContainerId) -> Result<ContainerState, DockerError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            state: State,
            #[serde(default)]
            image: String,
            config: Config,
            #[serde(default, deserialize_with = "reply::nullable")]
            network_settings: NetworkSettings,
            #[serde(default, deserialize_with = "reply::nullable")]
            mounts: Vec<MountPoint>,
            #[serde(default, deserialize_with = "reply::nullable")]
            host_config: HostConfig,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct HostConfig {
            #[serde(default, deserialize_with = "reply::nullable")]
            log_config: LogConfig,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct NetworkSettings {
            #[serde(default, deserialize_with = "reply::nullable")]
            networks: BTreeMap<String, Network>,
        }
        #[derive(Deserialize)]
        struct Network {
            #[serde(rename = "IPAddress", default)]
            ip_address: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct State {
            status: String,
            running: bool,
            exit_code: i64,
            #[serde(rename = "OOMKilled", default)]
            oom_killed: bool,
            #[serde(default)]
            error: String,
            #[serde(default, deserialize_with = "reply::nullable")]
            finished_at: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Config {
            #[serde(default)]
            tty: bool,
        }
        let Answer { state, image, config, network_settings, mounts, host_config } =
            self.ask(Request::get(format!("/containers/{id}/json"))).await?;
        Ok(ContainerState {
            status: state.status,
            running: state.running,
            exit_code: state.exit_code,
            oom_killed: state.oom_killed,
            error: reply::remark(&state.error),
            image_id: reply::remark(&image),
            tty: config.tty,
            addresses: network_settings
                .networks
                .into_values()
                .map(|network| network.ip_address)
                .filter(|address| !address.is_empty())
                .collect(),
            mounts,
            finished: clock::read(&state.finished_at),
            is_log_whole: host_config.log_config.keeps_all(),
        })
    }

    /// Stops a container: its stop signal, and after `grace` a kill. Returns when it is over.
    ///
    /// # Errors
    /// Those of every call; that it is stopped already is none. The time limit of a call begins
    /// after `grace`.
    pub async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<(), DockerError> {
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let request =
            Request::post(format!("/containers/{id}/stop")).query("t", seconds.to_string());
        self.tell_within(self.timeout().saturating_add(grace), request).await
    }

    /// Sends a signal (`SIGKILL`, `KILL`, `9`) to the container's first process.
    ///
    /// # Errors
    /// [`DockerError::is_conflict`] when it does not run.
    pub async fn kill(&self, id: &ContainerId, signal: &str) -> Result<(), DockerError> {
        self.tell(Request::post(format!("/containers/{id}/kill")).query("signal", signal)).await
    }

    /// Removes a container.
    ///
    /// # Errors
    /// [`DockerError::is_conflict`] when it runs and `force` is not given, or when it is being
    /// removed already.
    pub async fn remove(
        &self,
        id: &ContainerId,
        options: RemoveOptions,
    ) -> Result<(), DockerError> {
        let mut request = Request::delete(format!("/containers/{id}"));
        if options.force {
            request = request.query("force", "1");
        }
        if options.volumes {
            request = request.query("v", "1");
        }
        self.tell(request).await
    }

    /// Lists the containers that have all of `labels` (with the value, when one is given), in
    /// whatever state they are; those that were never started too.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn list(
        &self,
        labels: &[(&str, Option<&str>)],
    ) -> Result<Vec<ContainerSummary>, DockerError> {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| match value {
                Some(value) => format!("{name}={value}"),
                None => (*name).to_owned(),
            })
            .collect();
        let filters = json!({ "label": labels }).to_string();
        self.ask(Request::get("/containers/json").query("all", "1").query("filters", filters)).await
    }
}

/// A wait that the engine has begun. Dropping it ends the wait, not the container.
#[derive(Debug)]
pub struct ExitWait {
    reply: Reply,
}

impl ExitWait {
    /// Waits for the exit, as long as it takes.
    ///
    /// # Errors
    /// [`DockerError::Broken`] when the engine goes away meanwhile: that is not the container's end.
    pub async fn exit(self) -> Result<Exit, DockerError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            status_code: i64,
            error: Option<Failure>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Failure {
            #[serde(default)]
            message: String,
        }
        let call = self.reply.call().clone();
        let body = self.reply.body().await?;
        if body.is_empty() {
            return Err(DockerError::Answer { call, source: AnswerError::Truncated });
        }
        let Answer { status_code, error } = reply::json(&call, &body)?;
        let error = error.and_then(|error| reply::remark(&error.message));
        Ok(Exit { status_code, error })
    }
}
