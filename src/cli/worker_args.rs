//! The options of `gantline worker`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, value_parser};

use super::address::listening;
use super::seconds::at_least;

/// What a worker is told on its command line. Every option can also come from the environment.
#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// The broker: amqp://, amqps://, redis:// or rediss://; of a list the next is tried when one
    /// does not answer [default: CELERY_BROKER_URL, GIRDER_WORKER_BROKER, or
    /// amqp://guest:guest@localhost//]
    #[arg(long, env = "GANTLINE_WORKER_BROKER", value_name = "URL[;URL…]", hide_env_values = true)]
    pub(super) broker: Option<String>,
    /// Where results go: rpc://, redis://, rediss:// or disabled:// [default: CELERY_RESULT_BACKEND,
    /// GIRDER_WORKER_BACKEND, or rpc://]
    #[arg(long, env = "GANTLINE_WORKER_BACKEND", value_name = "URL", hide_env_values = true)]
    pub(super) backend: Option<String>,
    /// The queues to take messages from, separated by commas
    #[arg(
        short = 'Q',
        long,
        env = "GANTLINE_WORKER_QUEUES",
        value_name = "NAME[,NAME…]",
        value_delimiter = ',',
        default_value = "celery"
    )]
    pub(super) queues: Vec<String>,
    /// Jobs at once [default: the number of cores]
    #[arg(short = 'c', long, env = "GANTLINE_WORKER_CONCURRENCY", value_name = "N",
          value_parser = value_parser!(u16).range(1..=1024))]
    pub(super) concurrency: Option<u16>,
    /// The worker's name in the cluster; %h is the host's name, %n its first part, %d the rest
    #[arg(
        short = 'n',
        long,
        env = "GANTLINE_WORKER_HOSTNAME",
        value_name = "NAME",
        default_value = "gantline@%h"
    )]
    pub(super) hostname: String,
    /// Publish messages of other tasks to this queue, where a Python worker listens; without it they
    /// go back to the tail of their own
    #[arg(long, env = "GANTLINE_WORKER_OTHERS_TO", value_name = "QUEUE")]
    pub(super) others_to: Option<String>,
    /// Acknowledge a message only when its job is over, so that a job whose worker dies runs again
    /// elsewhere
    #[arg(long, env = "GANTLINE_WORKER_ACKS_LATE")]
    pub(super) acks_late: bool,
    /// Redis: seconds after which a message that nobody speaks for may be given to another worker
    #[arg(long, env = "GANTLINE_WORKER_VISIBILITY_TIMEOUT", value_name = "SECONDS",
          default_value_t = 3600, value_parser = at_least::<3>)]
    pub(super) visibility_timeout: u32,
    /// Remember revoked tasks, and what runs, in this file
    #[arg(long, env = "GANTLINE_WORKER_STATEDB", value_name = "FILE")]
    pub(super) statedb: Option<PathBuf>,
    /// Seconds that running jobs have after SIGTERM before they are stopped [default: as long as
    /// they take]
    #[arg(long, env = "GANTLINE_WORKER_GRACE", value_name = "SECONDS", value_parser = at_least::<0>)]
    pub(super) grace: Option<u32>,
    /// Seconds for which an update of a job is tried again while Girder does not answer; after them the
    /// job is stopped and has failed
    #[arg(
        long,
        env = "GANTLINE_WORKER_GIRDER_PATIENCE",
        value_name = "SECONDS",
        default_value_t = 600,
        value_parser = at_least::<0>
    )]
    pub(super) girder_patience: u32,
    /// Seconds for which an engine that goes away while a container runs is waited for
    #[arg(
        long,
        env = "GANTLINE_WORKER_ENGINE_PATIENCE",
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = at_least::<0>
    )]
    pub(super) engine_patience: u32,
    /// Serve /healthz, /readyz, /metrics and POST /drain there
    #[arg(long, env = "GANTLINE_WORKER_HTTP", value_name = "ADDR", value_parser = listening)]
    pub(super) http: Option<SocketAddr>,
    /// Also trust the certificate authorities in this PEM file, for Girder and the broker
    #[arg(long, env = "GANTLINE_WORKER_CA_FILE", value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// Send events of tasks from the start, for `celery events` and Flower
    #[arg(short = 'E', long = "events", env = "GANTLINE_WORKER_EVENTS")]
    pub(super) events: bool,
    /// How long a cancelled container may take to stop before it is killed, in seconds
    #[arg(
        long,
        env = "GANTLINE_WORKER_STOP_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = at_least::<0>
    )]
    pub(super) stop_timeout: u32,
    /// Write the log as JSON, a line each
    #[arg(long, env = "GANTLINE_WORKER_LOG_JSON")]
    pub(super) log_json: bool,
    /// Connect to broker and engine, say what the worker would do, and end
    #[arg(long)]
    pub(super) check: bool,
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;

    #[test]
    fn every_option_can_come_from_the_environment_under_its_own_name() {
        let command = WorkerArgs::augment_args(clap::Command::new("worker"));
        for option in command.get_arguments().filter(|option| option.get_id() != "check") {
            let name = option.get_long().unwrap().replace('-', "_").to_uppercase();
            let variable = option.get_env().and_then(|variable| variable.to_str());
            assert_eq!(variable, Some(&*format!("GANTLINE_WORKER_{name}")));
        }
    }
}
