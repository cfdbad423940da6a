//! `gantline run`.

use std::time::Duration;

use super::args::RunArgs;
use super::options::Environment;
use super::progress::Display;
use super::report::ReportFile;
use super::signals::Signals;
use super::{Failure, exit, job, render};
use crate::run::{Outcome, PumpOptions, Report, RunError, Runner, chain};

/// Runs a job, and gives its exit code.
pub(super) fn run(args: &RunArgs, environment: &Environment) -> Result<u8, Failure> {
    let mut job = job::read(&args.job)?;
    args.override_job(&mut job).map_err(|error| Failure::bad_usage(&error))?;
    let options = environment.run_options().map_err(|error| Failure::bad_usage(&error))?;
    options.merge_into(&mut job);
    let report = args.report.as_deref().map(ReportFile::open).transpose();
    let report = report.map_err(|error| Failure::bad_usage(&error))?;
    let signals = Signals::take().map_err(|error| Failure::failed(&error))?;
    let display = Display::begin(args.progress);
    let runner = runner(args, environment, &display)?;
    let ended = match runner.start(&job) {
        Err(error) => (Err(error), None),
        Ok(handle) => {
            let canceller = handle.canceller();
            let taken = signals.each(move |_| canceller.cancel());
            let taken = taken.map_err(|error| Failure::failed(&error))?;
            (handle.wait(), taken.first())
        }
    };
    // The runner holds our side of what the display relays.
    drop(runner);
    display.end();
    let (ended, signal) = ended;
    tell(&ended, signal);
    let code = exit::of_run(&ended, signal);
    if let Some(file) = report {
        file.write(report_of(&ended)).map_err(|error| Failure::failed(&error))?;
    }
    Ok(code)
}

fn runner(args: &RunArgs, environment: &Environment, display: &Display) -> Result<Runner, Failure> {
    let bad = |error: super::options::OptionError| Failure::bad_usage(&error);
    let folder = environment.temporary_folder();
    let builder = Runner::builder()
        .engine(environment.engine().map_err(bad)?)
        .girder(environment.girder().map_err(bad)?)
        .http(args.http())
        .pump(PumpOptions {
            spool_folder: folder.clone(),
            connections: args.connections.into(),
            ..PumpOptions::default()
        })
        .stop_timeout(Duration::from_secs(args.stop_timeout.into()))
        .temporary_folder(folder)
        .events(display.events());
    let builder = display.relay_streams(builder).map_err(|error| Failure::failed(&error))?;
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
