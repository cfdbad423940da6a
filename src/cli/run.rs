//! `gantline run`.

use std::time::Duration;

use super::args::RunArgs;
use super::progress::Display;
use super::report::ReportFile;
use super::signals::Signals;
use super::{Failure, exit, job, render};
use crate::run::{Outcome, Report, RunError, Runner, chain};
use crate::settings::{Environment, Settings, SettingsError};
use crate::spec::{JobSpec, Secret, SpecError};

/// Runs a job, and gives its exit code.
pub(super) fn run(args: &RunArgs, environment: &Environment) -> Result<u8, Failure> {
    let mut job = job::read(&args.job)?;
    override_job(args, &mut job).map_err(|error| Failure::bad_usage(&error))?;
    let settings = settings(args, environment).map_err(|error| Failure::bad_usage(&error))?;
    settings.complete(&mut job);
    let report = args.report.as_deref().map(ReportFile::open).transpose();
    let report = report.map_err(|error| Failure::bad_usage(&error))?;
    let signals = Signals::take().map_err(|error| Failure::failed(&error))?;
    let display = Display::begin(args.progress);
    let runner = runner(args, &settings)?;
    let ended = match runner.start_with(&job, display.settings()) {
        Err(error) => (Err(error), None),
        Ok(handle) => {
            let canceller = handle.canceller();
            let taken = signals.each(move |_| canceller.cancel());
            let taken = taken.map_err(|error| Failure::failed(&error))?;
            (handle.wait(), taken.first())
        }
    };
    display.end();
    let (ended, signal) = ended;
    tell(&ended, signal);
    let code = exit::of_run(&ended, signal);
    if let Some(file) = report {
        file.write(report_of(&ended)).map_err(|error| Failure::failed(&error))?;
    }
    Ok(code)
}

/// Puts into the job what was given on the command line.
///
/// # Errors
/// An address or a token that a job cannot have.
fn override_job(args: &RunArgs, job: &mut JobSpec) -> Result<(), SpecError> {
    let token = args.girder_token.as_deref().map(Secret::new);
    job.set_girder(args.girder_url.as_deref(), token.as_ref())
}

fn settings(args: &RunArgs, environment: &Environment) -> Result<Settings, SettingsError> {
    let mut settings = Settings::of(environment)?;
    settings.downloads.ca_files.clone_from(&args.ca_file);
    settings.connections = args.connections.into();
    Ok(settings)
}

fn runner(args: &RunArgs, settings: &Settings) -> Result<Runner, Failure> {
    let grace = Duration::from_secs(args.stop_timeout.into());
    let builder = settings.runner().stop_timeout(grace);
    builder.build().map_err(|error| Failure::failed(&error))
}

/// Says what the exit code does not.
fn tell(ended: &Result<Outcome, RunError>, signal: Option<i32>) {
    let report = report_of(ended);
    match ended {
        Err(error) => render::say(&chain(error)),
        Ok(outcome) if outcome.is_cancelled() && signal.is_none() => {
            render::say("the job was cancelled in Girder");
        }
        Ok(outcome) if report.oom_killed && outcome.exit_code() != Some(0) => {
            render::say("the container, or a process in it, was killed for want of memory");
        }
        Ok(_) => {}
    }
}

fn report_of(ended: &Result<Outcome, RunError>) -> &Report {
    match ended {
        Ok(outcome) => &outcome.report,
        Err(error) => &error.report,
    }
}
