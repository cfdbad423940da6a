//! `gantline worker`.

use std::time::Duration;

use super::log::Log;
use super::run::look_at_temporary_folder;
use super::worker_args::WorkerArgs;
use super::{Failure, exit, render};
use crate::guard::first;
use crate::run::{Runner, chain};
use crate::settings::{Environment, Settings};
use crate::worker::url::{Backend, Broker};
use crate::worker::{GIRDERS_OWN, Worker, WorkerSettings};

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
    if let Some(first) = first::ends_with_this_one() {
        tracing::warn!(
            "{first} is this container's first process, and ends when the worker does, before the worker's guard has \
             killed anything: should the worker be killed, a program may take a part of a file for the whole. Start \
             the container without --init (`init: true`): the worker needs none"
        );
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
    if settings.queues.iter().any(|queue| queue == GIRDERS_OWN) {
        let message = format!("--queues: {GIRDERS_OWN:?} is Girder's own: name others");
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
    given.girder = given.girder.with_patience(seconds(args.girder_patience));
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
