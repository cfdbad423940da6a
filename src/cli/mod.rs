//! The command `gantline`.
//!
//! The only module that prints: `args` is the command line as it is typed, which goes before what
//! the environment says ([`settings`](crate::settings)), `render` what is said,
//! `progress`, `looks` and `relay` what moves on a terminal, `fold` what is wider than it, `aside` what
//! waits for it, `exit` the exit codes, `foreign` other programs' words. What is done is done by
//! [`run`](crate::run), `worker`, [`depot`](crate::depot) and [`bench`](crate::bench).

mod about;
mod address;
mod args;
mod aside;
mod bench;
mod check;
mod depot;
mod earlier;
mod examples;
mod exit;
mod failure;
mod fold;
mod foreign;
mod help;
mod image;
mod init;
mod job;
mod log;
mod looks;
mod plain;
mod process;
mod progress;
mod prune;
mod relay;
mod render;
mod report;
mod run;
mod seconds;
mod signals;
mod summary;
mod upload;
mod words;
#[cfg(feature = "worker")]
mod worker;
#[cfg(feature = "worker")]
mod worker_args;

use std::process::ExitCode;

use self::args::{Cli, Command};
use self::failure::Failure;
use crate::guard;
use crate::run::{serve_as_guard_if_asked, stand_in_front_if_first};
use crate::settings::Environment;
use crate::sys::memory;

/// Does what the command line says, and gives the exit code.
pub fn run() -> ExitCode {
    serve_as_guard_if_asked();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no failure; clap knows which is which.
            let _ = error.print();
            let words: Vec<_> = std::env::args_os().collect();
            if let Some(advice) = foreign::advice(&words, &error) {
                render::say(&advice);
            }
            if error.use_stderr() {
                earlier::remove_report(&words);
            }
            return exit::code(if error.use_stderr() { exit::BAD_JOB } else { exit::DONE });
        }
    };
    let environment = Environment::of_this_process();
    prepare_process(&cli.command);
    let log = match &cli.command {
        #[cfg(feature = "worker")]
        Command::Worker(args) => worker::log(args, &environment),
        _ => Ok(log::Log::default()),
    };
    let cleared = match &cli.command {
        Command::Run(args) => run::remove_old_report(args),
        _ => Ok(()),
    };
    let logs = cleared.and(log).and_then(|log| log.begin(&environment));
    let ended = logs.and_then(|()| match cli.command {
        Command::Run(args) => run::run(&args, &environment),
        Command::Check(args) => check::check(&args, &environment),
        Command::Help { topic } => help::help(topic.as_deref()),
        Command::Schema => render::print_json(&crate::spec::schema()),
        Command::Init { file } => init::init(&file),
        Command::Version { json } => about::version(json),
        Command::Completions { shell } => about::completions(shell),
        Command::Man { dir } => about::man(&dir),
        Command::Depot(args) => depot::serve(args),
        #[cfg(feature = "worker")]
        Command::Worker(args) => worker::work(&args, &environment),
        Command::Upload(args) => upload::upload(&args, &environment),
        Command::Prune(args) => prune::prune(&args, &environment),
        Command::Bench(args) => bench::bench(args, &environment),
        Command::BenchPeer { role } => bench::peer(&role),
    });
    exit::code(ended.unwrap_or_else(|failure| {
        render::say(&failure.message);
        failure.code
    }))
}

/// What a process of ours needs and must not show. What the system refuses of it is no reason not to
/// go on.
fn prepare_process(command: &Command) {
    let mut tried = vec![process::raise_open_files()];
    let has_runs = match command {
        Command::Run(_) => true,
        #[cfg(feature = "worker")]
        Command::Worker(_) => true,
        _ => false,
    };
    if has_runs {
        memory::spare_addresses();
        guard::want();
    }
    if has_runs || matches!(command, Command::Upload(_)) {
        // These hold tokens.
        tried.push(process::hide_memory());
    }
    for error in tried.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "the system refuses what a process needs");
    }
    if has_runs {
        stand_in_front_if_first();
    }
}
