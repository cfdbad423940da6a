//! What a worker is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::broker;
use super::url::{Backend, Broker};
use crate::girder;
use crate::run::Proxies;
use crate::spec::RunOptions;

/// How a worker takes messages, and runs their jobs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerSettings {
    /// Where messages come from.
    pub broker: Broker,
    /// Where results go.
    pub backend: Backend,
    /// The queues that are served.
    pub queues: Vec<String>,
    /// Jobs at once.
    pub concurrency: usize,
    /// The node's name in the cluster.
    pub hostname: String,
    /// Where messages of other tasks are published; without it they go to the tail of their own queue.
    pub others_to: Option<String>,
    /// A message is acknowledged when its job is over, not when it has begun.
    pub acks_late: bool,
    /// Redis: after how long a message that nobody speaks for is given to another worker.
    pub visibility_timeout: Duration,
    /// Where the worker remembers what was revoked, and what runs.
    pub statedb: Option<PathBuf>,
    /// How long running jobs have after the first signal; `None`: as long as they take.
    pub grace: Option<Duration>,
    /// How long a Girder that does not answer is waited for.
    pub girder_patience: Duration,
    /// Where health and counters are served.
    pub http: Option<SocketAddr>,
    /// Certificate authorities, beside the system's.
    pub ca_file: Option<PathBuf>,
    /// By which way Girder is reached.
    pub proxies: Proxies,
    /// Events of tasks are sent from the start.
    pub events: bool,
    /// How long a stopped container has before it is killed.
    pub stop_timeout: Duration,
    /// Girder's API as this machine reaches it, in place of the address that messages have.
    pub girder_api_url: Option<String>,
    /// docker-py's keywords for every container; what a job says itself goes first.
    pub run_options: RunOptions,
}

impl WorkerSettings {
    /// How Girder is talked to.
    pub(super) fn girder_options(&self) -> girder::Options {
        let mut options = girder::Options::default();
        options.ca_files.extend(self.ca_file.clone());
        options.proxies = self.proxies.clone();
        options
    }

    /// A worker with this name on this broker, with Celery's and Girder Worker's defaults.
    pub fn new(broker: Broker, backend: Backend, hostname: impl Into<String>) -> Self {
        Self {
            broker,
            backend,
            queues: vec!["celery".to_owned()],
            concurrency: std::thread::available_parallelism().map_or(1, usize::from),
            hostname: hostname.into(),
            others_to: None,
            acks_late: false,
            visibility_timeout: broker::VISIBILITY_TIMEOUT,
            statedb: None,
            grace: None,
            girder_patience: Duration::from_secs(600),
            http: None,
            ca_file: None,
            proxies: Proxies::none(),
            events: false,
            stop_timeout: Duration::from_secs(10),
            girder_api_url: None,
            run_options: RunOptions::default(),
        }
    }
}

/// The queue in which Girder's own worker runs what only it can: no worker of ours listens there.
pub(crate) const GIRDERS_OWN: &str = "local";
