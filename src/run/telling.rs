//! What a run tells to the job in Girder, and what it says of a container that failed.

use std::mem::take;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::cancel::{Cancelled, GIRDER_IS_TOLD};
use super::chain::chain;
use super::end::{Ended, Failed, Stop, is_cancelled};
use super::error::Cause;
use super::failure;
use super::live::Live;
use super::settings::Reporting;
use crate::docker::{self, ContainerId};
use crate::event::Event;
use crate::girder::JobStatus;
use crate::plan::{PlannedArgument, PlannedTransfer};
use crate::pump::{Outlet, Sink};
use crate::reporter::{Begun, JobReporter, ReporterOptions, Untold};
use crate::run::transfers::listeners::{LastWords, Listeners, Logged, WithoutProgress};
use crate::run::transfers::progress_pipe::{ProgressLines, TellProgress};
use crate::spec::{self, Secret};
use tokio::sync::oneshot;

impl Live {
    /// The job in Girder runs from now on, if there is one.
    pub(super) fn begins_job(&mut self) -> Result<(), Cause> {
        let job = match (&self.given.reporting, &self.plan.girder_job) {
            (Reporting::Own, Some(job)) => job,
            (Reporting::Given(teller), _) => {
                self.teller = Some(teller.clone());
                return Ok(());
            }
            (Reporting::Own, None) | (Reporting::Off, _) => return Ok(()),
        };
        let girder = self.store.options().clone();
        let options = ReporterOptions { girder, ..ReporterOptions::default() };
        let canceller = self.cancellation.canceller();
        let reporter = JobReporter::start(job, options, move |_| canceller.cancel());
        let reporter = reporter.map_err(Cause::Report)?;
        let canceller = self.cancellation.canceller();
        // The run does not wait for it: a job that is not there to be told is a warning.
        reporter.begin_then(move |begun| {
            if let Begun::Canceled = begun {
                canceller.cancel();
            }
        });
        self.teller = Some(reporter.teller());
        self.job = Some(reporter);
        Ok(())
    }

    /// Puts an event into the job's log, if it is one for it.
    pub(super) fn tells_job(&self, event: &Event) {
        let Some(teller) = &self.teller else { return };
        if let Event::Warning(warning) = event {
            teller.log(&format!("warning: {warning}\n"));
        }
    }

    /// Puts the container's exit into the job's log. To be told when all that the container wrote is there: before, the
    /// line may stand in the middle of one of the container's.
    pub(super) fn tells_job_of_exit(&self, exit_code: i64) {
        if let Some(teller) = &self.teller {
            teller.log(&format!("the container exited with code {exit_code}\n"));
        }
    }

    /// Puts the container's id and its image's digest into the job's log.
    pub(super) async fn tells_job_of_container(&self, engine: &docker::Client, id: &ContainerId) {
        let Some(teller) = &self.teller else { return };
        let image = &self.plan.image;
        let digest = match engine.inspect_image(image).await {
            Ok(found) => found.repo_digests.into_iter().next().unwrap_or(found.id),
            Err(error) => format!("its digest is not known: {}", chain(&error)),
        };
        teller.log(&format!("container {id} of the image {image} ({digest})\n"));
    }

    /// Who hears the container's output: the caller's listeners, who keeps its last words, and for
    /// what goes to our own output the job's log.
    pub(super) fn listeners(&self) -> Listeners {
        let given = &self.given.listeners;
        let mut listeners = take(&mut *given.lock().unwrap_or_else(PoisonError::into_inner));
        listeners.add(Outlet::StdErr, LastWords(Arc::clone(&self.stderr_tail)));
        let Some(teller) = &self.teller else { return listeners };
        let goes = |source, sink| self.plan.transfers.contains(&PlannedTransfer::new(source, sink));
        if goes(spec::Source::ContainerStdOut, spec::Sink::HostStdOut) {
            let logged = WithoutProgress::new(Logged::new(teller), self.tell_progress());
            listeners.add(Outlet::StdOut, logged);
        }
        if goes(spec::Source::ContainerStdErr, spec::Sink::HostStdErr) {
            listeners.add(Outlet::StdErr, Logged::new(teller));
        }
        listeners
    }

    /// The sink of a progress pipe.
    pub(super) fn progress_sink(&self) -> Sink {
        let bad = Arc::clone(&self.bad_progress);
        Sink::Listener(Box::new(ProgressLines::new(bad, self.tell_progress())))
    }

    fn tell_progress(&self) -> TellProgress {
        let ledger = self.ledger.clone();
        let teller = self.teller.clone();
        Arc::new(move |progress| {
            ledger.tell(&Event::Progress(progress.clone()));
            if let Some(teller) = &teller {
                teller.progress(progress);
            }
        })
    }

    /// Finds out what only the run's Girder server tells the arguments.
    pub(super) async fn name_girder(&mut self) -> Result<(), Cause> {
        if !self.plan.arguments.iter().any(PlannedArgument::names_girder) {
            return Ok(());
        }
        let client = self.store.open().await?;
        self.resolved.girder_api_url = client.api_url().to_owned();
        self.resolved.girder_token = client.token().map(|token| Secret::new(token.expose()));
        let needs_token = self.plan.arguments.iter().any(PlannedArgument::has_token);
        if needs_token && self.resolved.girder_token.is_none() {
            return Err(Cause::NoGirderToken);
        }
        Ok(())
    }

    /// The phases are over: says how the container and the run ended, in the report and to the job in Girder.
    pub(super) fn concludes(&mut self, ended: &Ended) {
        let bad = self.bad_progress.load(Ordering::Relaxed);
        if bad > 0 {
            let lines = if bad == 1 { "line" } else { "lines" };
            self.warns(format!("{bad} {lines} of the progress pipe said no progress"));
        }
        let container = self.made.container.end();
        let oom_killed = container.is_some_and(|end| end.oom_killed);
        if oom_killed {
            self.warns(
                "the container ran out of memory, and something in it was killed".to_owned(),
            );
        }
        let failure = container.and_then(|end| failure::words(end.exit_code, end.oom_killed));
        let error = match ended {
            Err(Stop::Failed(Failed { cause, .. })) => Some(chain(&**cause)),
            Ok(_) | Err(Stop::Cancelled) => None,
        };
        let has_failed = error.is_some() || container.is_some_and(|end| end.exit_code != 0);
        let stderr_tail = match has_failed {
            true => self.stderr_tail.lock().unwrap_or_else(PoisonError::into_inner).lines(),
            false => Vec::new(),
        };
        let is_cancelled = is_cancelled(ended);
        self.report.exit_code = container.map(|end| end.exit_code);
        self.report.oom_killed = oom_killed;
        self.report.cancelled = is_cancelled;
        self.report.failure.clone_from(&failure);
        self.report.stderr_tail.clone_from(&stderr_tail);
        let Some(teller) = &self.teller else { return };
        let status = match (is_cancelled && error.is_none(), has_failed) {
            (true, _) => JobStatus::Canceled,
            (false, true) => JobStatus::Error,
            (false, false) => JobStatus::Success,
        };
        if is_cancelled {
            teller.log("the run was cancelled\n");
        }
        for line in failure.iter().chain(&error) {
            teller.log(&format!("error: {line}\n"));
        }
        if !stderr_tail.is_empty() {
            let lines = stderr_tail.join("\n");
            teller.log(&format!("the last lines of its standard error:\n{lines}\n"));
        }
        if self.job.is_some() {
            teller.status(status);
        }
    }

    /// Waits until the job in Girder has been told everything. A run that was cancelled does not
    /// wait long.
    pub(super) async fn ends_job(&mut self) {
        let Some(job) = self.job.take() else { return };
        let (teller, cancellation) = (job.teller(), self.cancellation.clone());
        let limit = (self.given.stop_timeout, GIRDER_IS_TOLD);
        let (sender, told) = oneshot::channel();
        job.finish(move |result| drop(sender.send(result)));
        let result = cancellation.in_time(limit, told).await.unwrap_or_else(|Cancelled| {
            teller.hurry(Duration::ZERO);
            Ok(Err(Untold::Late))
        });
        match result {
            Ok(Err(untold)) => self.warns(chain(&untold)),
            Ok(Ok(())) => {}
            Err(_) => self.warns(chain(&Untold::Bug("the reporter's thread panicked"))),
        }
    }
}
