//! `gantline worker`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};

use super::args::listening;
use super::log::Log;
use super::run::look_at_temporary_folder;
use super::seconds::at_least;
use super::{Failure, exit, render};
use crate::run::{Runner, chain};
use crate::settings::{Environment, Settings};
use crate::worker::url::{Backend, Broker};
use crate::worker::{Worker, WorkerSettings};

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

/// Takes messages until it is told to end.
pub(super) fn work(args: &WorkerArgs, environment: &Environment) -> Result<u8, Failure> {
    let bad = |error: &dyn std::error::Error| Failure::bad_usage(error);
    let given = Settings::of(environment).map_err(|error| bad(&error))?;
    let settings = settings(args, environment, &given)?;
    look_at_temporary_folder(&given.temporary_folder)?;
    let runner = runner(args, given)?;
    let worker = Worker::new(settings.clone(), runner);
    if args.check {
        worker.check().map_err(|error| unable(&error))?;
        return render::print(&plan(&settings)).map(|_| exit::DONE);
    }
    tracing::info!(
        name = settings.hostname,
        broker = %settings.broker,
        queues = settings.queues.join(","),
        concurrency = settings.concurrency,
        "begins"
    );
    worker.run().map(|()| exit::DONE).map_err(|error| unable(&error))
}

/// What it logs if `GANTLINE_LOG` does not say.
pub(super) fn log(args: &WorkerArgs, environment: &Environment) -> Result<Log, Failure> {
    let level = environment.text("GIRDER_WORKER_LOGGING_LEVEL");
    let level = match level.map_err(|error| Failure::bad_usage(&error))? {
        None => "info",
        Some(level) => match level.to_ascii_lowercase().as_str() {
            "debug" => "debug",
            "info" => "info",
            "warning" | "warn" => "warn",
            "error" | "critical" | "fatal" => "error",
            _ => {
                let message = format!(
                    "GIRDER_WORKER_LOGGING_LEVEL is {level:?}: use debug, info, warning or error"
                );
                return Err(Failure { message, code: exit::BAD_JOB });
            }
        },
    };
    Ok(Log { level: Some(level), json: args.log_json })
}

fn settings(
    args: &WorkerArgs,
    environment: &Environment,
    given: &Settings,
) -> Result<WorkerSettings, Failure> {
    let bad = |error: &dyn std::error::Error| Failure::bad_usage(error);
    let first = |own: &Option<String>, names: [&'static str; 2]| {
        if let Some(own) = own {
            return Ok(Some(own.clone()));
        }
        for name in names {
            if let Some(found) = environment.text(name).map_err(|error| bad(&error))? {
                return Ok(Some(found.to_owned()));
            }
        }
        Ok(None)
    };
    let broker = first(&args.broker, ["CELERY_BROKER_URL", "GIRDER_WORKER_BROKER"])?;
    if broker.is_none() {
        render::say(&format!(
            "no broker is named, by --broker or CELERY_BROKER_URL: {} is tried",
            Broker::DEFAULT
        ));
    }
    let broker = broker.as_deref().unwrap_or(Broker::DEFAULT);
    let broker = Broker::parse(broker).map_err(|error| bad(&error))?;
    let backend = first(&args.backend, ["CELERY_RESULT_BACKEND", "GIRDER_WORKER_BACKEND"])?;
    let backend = Backend::parse(backend.as_deref().unwrap_or("rpc://"));
    let backend = backend.map_err(|error| bad(&error))?;
    let api_url = environment.text("GIRDER_WORKER_API_URL").map_err(|error| bad(&error))?;
    let mut settings = WorkerSettings::new(broker, backend, node_name(&args.hostname));
    settings.queues = args.queues.clone();
    if let Some(concurrency) = args.concurrency {
        settings.concurrency = concurrency.into();
    }
    settings.others_to.clone_from(&args.others_to);
    settings.acks_late = args.acks_late;
    settings.visibility_timeout = seconds(args.visibility_timeout);
    settings.statedb.clone_from(&args.statedb);
    settings.grace = args.grace.map(seconds);
    settings.girder_patience = seconds(args.girder_patience);
    settings.http = args.http;
    settings.ca_file.clone_from(&args.ca_file);
    settings.proxies.clone_from(&given.downloads.proxies);
    settings.events = args.events;
    settings.stop_timeout = seconds(args.stop_timeout);
    settings.girder_api_url = api_url.map(str::to_owned);
    settings.run_options = given.run_options.clone();
    if settings.queues.iter().any(|queue| queue == "local") {
        let message = "--queues: \"local\" is Girder's own: name others".to_owned();
        return Err(Failure { message, code: exit::BAD_JOB });
    }
    refuse_odd_names(&settings)?;
    if settings.others_to.as_ref().is_some_and(|queue| settings.queues.contains(queue)) {
        let message = "--others-to: this worker listens on that queue itself".to_owned();
        return Err(Failure { message, code: exit::BAD_JOB });
    }
    Ok(settings)
}

fn runner(args: &WorkerArgs, mut given: Settings) -> Result<Runner, Failure> {
    given.downloads.ca_files.extend(args.ca_file.clone());
    given.engine.patience = seconds(args.engine_patience);
    let builder = given.runner().stop_timeout(seconds(args.stop_timeout));
    builder.build().map_err(|error| Failure::failed(&error))
}

/// Celery's own placeholders in a node's name.
fn node_name(pattern: &str) -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let host = host.unwrap_or_else(|| "localhost".to_owned());
    let (first, rest) = host.split_once('.').unwrap_or((&host, ""));
    let name = pattern.replace("%n", first).replace("%d", rest).replace("%h", &host);
    if name.contains('@') { name } else { format!("{name}@{host}") }
}

fn refuse_odd_names(settings: &WorkerSettings) -> Result<(), Failure> {
    let queues = settings.queues.iter().chain(&settings.others_to);
    let names = queues.map(|queue| ("a queue's", queue));
    let mut names = names.chain([("--hostname: a worker's", &settings.hostname)]);
    match names.find(|(_, name)| !is_name(name)) {
        None => Ok(()),
        Some((whose, name)) => Err(Failure {
            message: format!(
                "{whose} name has 1 to {LONGEST_NAME} bytes, and no space or control character: {name:?}"
            ),
            code: exit::BAD_JOB,
        }),
    }
}

/// Whether brokers, logs and remote control can all have this as a name.
fn is_name(name: &str) -> bool {
    let is_odd = |char: char| char.is_control() || char.is_whitespace();
    (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(is_odd)
}

/// AMQP has names of at most 255 bytes, and queues are named after the worker's.
const LONGEST_NAME: usize = 200;

/// What `--check` says.
fn plan(settings: &WorkerSettings) -> String {
    let WorkerSettings { hostname, broker, backend, queues, concurrency, .. } = settings;
    let others = match &settings.others_to {
        Some(queue) => format!("are published to {queue}"),
        None => "go back to the tail of their queue".to_owned(),
    };
    let acks = if settings.acks_late { "is over" } else { "has begun" };
    format!(
        "{hostname} can connect to {broker}, and to the engine.\n\
         It would take messages from {}, and run {concurrency} jobs at once.\n\
         A message is acknowledged when its job {acks}.\n\
         Messages of other tasks {others}.\n\
         Results go to {backend}.\n",
        queues.join(", "),
    )
}

fn unable(error: &dyn std::error::Error) -> Failure {
    Failure { message: chain(error), code: UNABLE }
}

/// The worker could not begin.
const UNABLE: u8 = 1;

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

pub(super) const WORKER_EXAMPLES: &str = "\
Environment, beside GANTLINE_WORKER_…, one for each option:
  CELERY_BROKER_URL              the broker
  GIRDER_WORKER_BROKER           the same, without CELERY_BROKER_URL
  CELERY_RESULT_BACKEND          where results go
  GIRDER_WORKER_BACKEND          the same, without CELERY_RESULT_BACKEND
  GIRDER_WORKER_API_URL          Girder's API as this machine reaches it, in
                                 place of the address in messages
  GIRDER_WORKER_LOGGING_LEVEL    debug, info, warning or error
  and what `gantline --help` lists

Examples:
  gantline worker
  gantline worker --check
  gantline worker --broker amqp://guest:guest@rabbitmq// --others-to python
  gantline worker --broker redis://redis/0 --backend redis://redis/0 -c 4";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_brokers_logs_and_commands_take() {
        for name in ["gantline@host", "a", "jobs-1.\u{fc}", &"x".repeat(LONGEST_NAME)] {
            assert!(is_name(name), "{name:?}");
        }
        for name in ["", "a b", "a\nb", "a\u{7f}", "a\u{a0}b", &"x".repeat(LONGEST_NAME + 1)] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
