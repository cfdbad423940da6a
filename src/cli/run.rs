//! `gantline run`.

use std::path::Path;
use std::time::Duration;

use super::args::{KeepVolumes, OnClosedStdout, RunArgs};
use super::progress::Display;
use super::report::ReportFile;
use super::signals::Signals;
use super::{Failure, exit, job, render, summary};
use crate::run::{ClosedStdout, Keep, Outcome, Report, RunError, RunSettings, Runner, chain};
use crate::settings::{Environment, Settings, SettingsError};
use crate::spec::{JobSpec, Secret, SpecError, Verify};

/// Runs a job, and gives its exit code.
pub(super) fn run(args: &RunArgs, environment: &Environment) -> Result<u8, Failure> {
    if args.image.print_job {
        return render::print_json(&job::document(args)?);
    }
    let report = args.report.as_deref().map(ReportFile::open).transpose();
    let report = report.map_err(|error| Failure::bad_usage(&error))?;
    if let Some(report) = &report {
        report.remove_old().map_err(|error| Failure::bad_usage(&error))?;
    }
    let mut job = job::asked_for(args)?;
    override_job(args, &mut job).map_err(|error| Failure::bad_usage(&error))?;
    let settings = settings(args, environment).map_err(|error| Failure::bad_usage(&error))?;
    look_at_temporary_folder(&settings.temporary_folder)?;
    settings.complete(&mut job);
    let signals = Signals::take().map_err(|error| Failure::failed(&error))?;
    let display = Display::begin(args.progress);
    let runner = runner(args, &settings)?;
    let ended = match runner.start_with(&job, display.settings(run_settings(args))) {
        Err(error) => (Err(error), None),
        Ok(handle) => {
            let (canceller, mut tell) = (handle.canceller(), display.tells_of_signals(grace(args)));
            let taken = signals.each(move |_| {
                canceller.cancel();
                tell();
            });
            match taken {
                Ok(taken) => (handle.wait(), taken.first()),
                // Without them nobody could stop it.
                Err(error) => {
                    handle.cancel();
                    let _ = handle.wait();
                    display.end();
                    let message = format!("there is no thread that waits for signals: {error}");
                    return Err(Failure { message, code: exit::FAILED });
                }
            }
        }
    };
    display.end();
    let (ended, signal) = ended;
    tell(&ended, signal);
    if args.summary {
        summary::say(report_of(&ended));
    }
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
    if let Some(verify) = args.verify.as_deref().and_then(Verify::named) {
        job.set_verify(verify);
    }
    if args.fast_stdout {
        job.set_fast_stdout();
    }
    let token = args.store.girder_token.as_deref().map(Secret::new);
    job.set_girder(args.store.girder_url.as_deref(), token.as_ref())
}

fn settings(args: &RunArgs, environment: &Environment) -> Result<Settings, SettingsError> {
    let mut settings = Settings::of(environment)?;
    settings.downloads.ca_files.clone_from(&args.store.ca_file);
    settings.downloads.limits.stall = Duration::from_secs(args.stall_timeout.into());
    settings.downloads.limits.head = Duration::from_secs(args.answer_timeout.into());
    settings.downloads.limits.connect = Duration::from_secs(args.connect_timeout.into());
    settings.engine.patience = Duration::from_secs(args.engine_patience.into());
    settings.engine.pull_stall = Duration::from_secs(args.pull_stall_timeout.into());
    settings.connections = args.connections.into();
    Ok(settings)
}

/// Every run has a temporary volume, which the engine mounts by its path.
fn look_at_temporary_folder(folder: &Path) -> Result<(), Failure> {
    let problem = match folder.metadata() {
        _ if !folder.is_absolute() => "must be an absolute path".to_owned(),
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => "is no folder".to_owned(),
        Err(error) => format!("cannot be used: {error}"),
    };
    let message =
        format!("TMPDIR, where temporary volumes are made, is {} and {problem}", folder.display());
    Err(Failure { message, code: exit::BAD_JOB })
}

fn run_settings(args: &RunArgs) -> RunSettings {
    let settings = RunSettings::new().with_closed_stdout(match args.on_closed_stdout {
        OnClosedStdout::Stop => ClosedStdout::Stop,
        OnClosedStdout::Continue => ClosedStdout::Continue,
    });
    let settings = settings.with_keep(match args.keep {
        KeepVolumes::Never => Keep::Never,
        KeepVolumes::OnFailure => Keep::OnFailure,
        KeepVolumes::Always => Keep::Always,
    });
    match args.timeout {
        Some(seconds) => settings.with_timeout(Duration::from_secs(seconds)),
        None => settings,
    }
}

fn grace(args: &RunArgs) -> Duration {
    Duration::from_secs(args.stop_timeout.into())
}

fn runner(args: &RunArgs, settings: &Settings) -> Result<Runner, Failure> {
    let builder = settings.runner().stop_timeout(grace(args));
    builder.build().map_err(|error| Failure::failed(&error))
}

/// Says what the exit code does not.
fn tell(ended: &Result<Outcome, RunError>, signal: Option<i32>) {
    let report = report_of(ended);
    match ended {
        Err(error) => render::say(&chain(error)),
        // As any command whose reader has left: without a word.
        Ok(outcome) if outcome.is_stdout_closed() => {}
        Ok(outcome) if outcome.is_cancelled() && signal.is_none() => {
            render::say("the job was cancelled in Girder");
        }
        Ok(outcome) if report.oom_killed && outcome.exit_code() != Some(0) => {
            render::say("the container, or a process in it, was killed for want of memory");
        }
        Ok(_) => {}
    }
    report.kept.iter().for_each(|kept| render::say(&kept.to_string()));
}

fn report_of(ended: &Result<Outcome, RunError>) -> &Report {
    match ended {
        Ok(outcome) => &outcome.report,
        Err(error) => &error.report,
    }
}
