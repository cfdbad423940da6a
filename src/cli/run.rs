//! `gantline run`.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::args::{KeepVolumes, OnClosedStdout, RunArgs};
use super::progress::Display;
use super::report::ReportFile;
use super::signals::{Signals, Taken};
use super::{Failure, exit, job, render, summary};
use crate::run::{
    Cause, ClosedStdout, Keep, Outcome, Report, RunError, RunSettings, Runner, chain,
};
use crate::settings::{Environment, Settings, SettingsError};
use crate::spec::{JobSpec, Secret, SpecError, Verify};
use crate::sys::access::may_make_in;

/// Removes the report of an earlier run: whatever ends this one, it must not look like its own.
pub(super) fn remove_old_report(args: &RunArgs) -> Result<(), Failure> {
    let Some(path) = args.report.as_deref().filter(|_| !args.image.print_job) else {
        return Ok(());
    };
    ReportFile::remove_earlier(path).map_err(|error| Failure::bad_usage(&error))
}

/// Runs a job, and gives its exit code.
pub(super) fn run(args: &RunArgs, environment: &Environment) -> Result<u8, Failure> {
    if args.image.print_job {
        let mut document = job::document(args)?;
        for (member, said) in [("verify", &args.verify), ("girder_api_url", &args.store.girder_url)]
        {
            // A token is not printed.
            if let Some(said) = said {
                document[member] = said.as_str().into();
            }
        }
        return render::print_json(&document);
    }
    let report = args.report.as_deref().map(ReportFile::open).transpose();
    let report = report.map_err(|error| Failure::bad_usage(&error))?;
    let mut job = job::asked_for(args)?;
    override_job(args, &mut job)?;
    let settings = settings(args, environment).map_err(|error| Failure::bad_usage(&error))?;
    look_at_temporary_folder(&settings.temporary_folder)?;
    settings.complete(&mut job);
    let signals = Signals::take().map_err(|error| Failure::failed(&error))?;
    let display = Display::begin(args.progress).map_err(|error| Failure::failed(&error))?;
    let runner = runner(args, &settings)?;
    let (ended, taken) = match runner.start_with(&job, display.settings(run_settings(args))) {
        // What is still to be said may not be taken.
        Err(error) => (Err(error), signals.each(|_| ()).ok()),
        Ok(handle) => {
            let (canceller, mut tell) = (handle.canceller(), display.tells_of_signals(grace(args)));
            let taken = signals.each(move |_| {
                canceller.cancel();
                tell();
            });
            match taken {
                Ok(taken) => (handle.wait(), Some(taken)),
                // Without them nobody could stop it.
                Err(error) => {
                    handle.cancel();
                    let _ = handle.wait();
                    let _ = display.end(Vec::new()).recv();
                    let message = format!("there is no thread that waits for signals: {error}");
                    return Err(Failure { message, code: exit::FAILED });
                }
            }
        }
    };
    let signal = taken.as_ref().and_then(Taken::first);
    let said = display.end(last_words(&ended, signal, args, &settings.temporary_folder));
    wait_for(taken.as_ref(), &said);
    let code = exit::of_run(&ended, signal);
    if code == exit::NOT_THERE
        && let Some(advice) = args.image.is_no_option(&args.words)
    {
        render::say(&advice);
    }
    if let Some(file) = report {
        match wait_for(taken.as_ref(), &file.write_aside(report_of(&ended))) {
            Some(written) => written.map_err(|error| Failure::failed(&error))?,
            None => {
                // Who takes the one may not take the other either.
                let (tell, said) = bounded(1);
                let say = move || {
                    render::say("nobody takes the report, and it is not written");
                    let _ = tell.send(());
                };
                let _ = thread::Builder::new().spawn(say);
                wait_for(taken.as_ref(), &said);
                let signal = taken.as_ref().and_then(Taken::first);
                return Ok(if code == exit::DONE { exit::of_signal(signal) } else { code });
            }
        }
    }
    Ok(code)
}

/// Waits for what may not be taken by anybody. None: it was not, and somebody wants an end.
fn wait_for<T>(taken: Option<&Taken>, done: &Receiver<T>) -> Option<T> {
    match taken {
        Some(taken) => taken.wait_for(done),
        None => done.recv().ok(),
    }
}

/// Puts into the job what was given on the command line.
///
/// # Errors
/// An address or a token that a job cannot have.
fn override_job(args: &RunArgs, job: &mut JobSpec) -> Result<(), Failure> {
    if let Some(verify) = args.verify.as_deref().and_then(Verify::named) {
        job.set_verify(verify);
    }
    if args.fast_stdout {
        job.set_fast_stdout();
    }
    let of_option = |option: &'static str| {
        move |error: SpecError| Failure {
            message: format!("{option}: {}", error.problem()),
            code: exit::BAD_JOB,
        }
    };
    let token = args.store.girder_token.as_deref().map(Secret::new);
    let url = args.store.girder_url.as_deref();
    job.set_girder(url, None).map_err(of_option("--girder-url"))?;
    job.set_girder(None, token.as_ref()).map_err(of_option("--girder-token"))
}

fn settings(args: &RunArgs, environment: &Environment) -> Result<Settings, SettingsError> {
    let mut settings = Settings::of(environment)?;
    settings.downloads.ca_files.clone_from(&args.store.ca_file);
    settings.downloads.limits.stall = Duration::from_secs(args.stall_timeout.into());
    settings.downloads.limits.head = Duration::from_secs(args.answer_timeout.into());
    settings.downloads.limits.connect = Duration::from_secs(args.connect_timeout.into());
    settings.engine.patience = Duration::from_secs(args.engine_patience.into());
    settings.engine.pull_stall = Duration::from_secs(args.pull_stall_timeout.into());
    settings.girder =
        settings.girder.with_patience(Duration::from_secs(args.girder_patience.into()));
    settings.connections = args.connections.into();
    Ok(settings)
}

/// Temporary volumes are made there, and the engine mounts them by their paths.
pub(super) fn look_at_temporary_folder(folder: &Path) -> Result<(), Failure> {
    let problem = match folder.metadata() {
        // It is told to the engine in JSON.
        _ if folder.to_str().is_none() => "is not UTF-8".to_owned(),
        _ if !folder.is_absolute() => "must be an absolute path".to_owned(),
        Ok(found) if found.is_dir() => match may_make_in(folder) {
            Ok(()) => return Ok(()),
            Err(error) => format!("cannot be written to: {error}; set it to a folder that can"),
        },
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
        Some(seconds) => settings.with_timeout(Duration::from_secs(seconds.into())),
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

/// What the exit code does not say.
fn last_words(
    ended: &Result<Outcome, RunError>,
    signal: Option<i32>,
    args: &RunArgs,
    temporary: &Path,
) -> Vec<String> {
    let report = report_of(ended);
    let why = match ended {
        // There is no document that could have a `girder_api_url`.
        Err(error) if matches!(*error.cause, Cause::NoGirder) && args.image.is_given() => {
            Some(format!("{}; --girder-url names one", chain(error)))
        }
        Err(error) => match &*error.cause {
            Cause::Volume(volume) if volume.is_of_folder(temporary) => Some(format!(
                "{}; TMPDIR is {}: set it to a folder that holds files, pipes and folders",
                chain(error),
                temporary.display()
            )),
            _ => Some(chain(error)),
        },
        // As any command whose reader has left: without a word.
        Ok(outcome) if outcome.is_stdout_closed() => None,
        Ok(outcome) if outcome.is_cancelled() && signal.is_none() => {
            Some("the job was cancelled in Girder".to_owned())
        }
        Ok(outcome) if report.oom_killed && outcome.exit_code() != Some(0) => {
            Some("the container, or a process in it, was killed for want of memory".to_owned())
        }
        Ok(_) => None,
    };
    let kept = report.kept.iter().map(ToString::to_string);
    let summary = args.summary.then(|| summary::lines(report)).into_iter().flatten();
    why.into_iter().chain(kept).chain(summary).collect()
}

fn report_of(ended: &Result<Outcome, RunError>) -> &Report {
    match ended {
        Ok(outcome) => &outcome.report,
        Err(error) => &error.report,
    }
}
