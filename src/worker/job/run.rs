//! The run of a job, and what stops it.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::girder::GirderSide;
use super::labels::{NODE_LABEL, TASK_LABEL};
use super::{After, Job, end_of_ours};
use crate::event::{Event, RunId};
use crate::run::{Cause, Outcome, RunError, RunHandle, RunSettings, chain};
use crate::spec::JobSpec;
use crate::worker::ended::{Ended, StoppedFor};
use crate::worker::metrics::Direction;
use crate::worker::node::Node;

/// Runs the job of a task to its end.
pub(super) async fn run(node: &Rc<Node>, job: &Rc<Job>, girder: Option<&GirderSide>) -> After {
    let task = job.task();
    let spec = match node.spec(task) {
        Ok(spec) => spec,
        Err(error) => return After::Tell(Ended::unusable(chain(&error))),
    };
    // One that died may have left its container, on this engine; but not before the message came for the first time.
    if job.taken.delivery.is_redelivered() {
        remove_left(node, &task.head.id).await;
    }
    is_ready(node, job).await;
    let mut ran = attempt(node, job, &spec, girder).await;
    // The same task was sent once more after its worker had died. Girder would have said so, of a job in Girder.
    if girder.is_none() && has_taken_name(&ran) {
        remove_left(node, &task.head.id).await;
        ran = attempt(node, job, &spec, girder).await;
    }
    note(node, &ran);
    let stopped = job.stopper.asked().map(|stop| stop.reason);
    if stopped == Some(StoppedFor::Shutdown)
        && node.settings.acks_late
        && ran.as_ref().is_ok_and(Outcome::is_cancelled)
    {
        return After::GiveBack(end_of_ours(girder.is_some()));
    }
    After::Tell(Ended::of_run(&ran, stopped))
}

/// Removes the containers of a task.
async fn remove_left(node: &Node, task_id: &str) {
    if let Err(error) = node.runner.remove_container_of(TASK_LABEL, task_id).await {
        tracing::debug!("{}", chain(&error));
    }
}

/// Whether the engine has a container of the run's name.
fn has_taken_name(ran: &Result<Outcome, RunError>) -> bool {
    let cause = ran.as_ref().err().map(|error| &*error.cause);
    matches!(cause, Some(Cause::Create(error)) if error.is_conflict())
}

/// One run of the job.
async fn attempt(
    node: &Rc<Node>,
    job: &Rc<Job>,
    spec: &JobSpec,
    girder: Option<&GirderSide>,
) -> Result<Outcome, RunError> {
    let task = job.task();
    let mut settings = RunSettings::new()
        .with_id(job.run_id())
        .with_label(TASK_LABEL, &task.head.id)
        .with_label(NODE_LABEL, &node.settings.hostname)
        .with_stdout_writer(io::sink())
        .with_stderr_writer(io::sink())
        .with_stop_timeout(node.settings.stop_timeout)
        .with_run_options(node.settings.run_options.clone());
    let span = tracing::Span::current();
    settings = settings.with_events(move |_: &RunId, event: &Event| {
        if let Event::ContainerCreated { id, .. } = event {
            span.record("container", id);
        }
    });
    settings = match girder {
        Some(girder) => settings.with_reporter(girder.teller().clone()),
        None => settings.without_reporter(),
    };
    let (sender, cleaned_up) = oneshot::channel();
    let tell = move |took, left| drop(sender.send((took, left)));
    settings = settings.with_clean_up_after_the_end(tell);
    let handle = node.runner.start_with(spec, settings)?;
    let ran = watch(node, job, handle, girder).await;
    node.cleans_up_after(cleaned_up);
    ran
}

/// Waits until the engine keeps up with removing containers, and the job is written down: whatever becomes of us then,
/// the next worker of this name knows of its container. If the job is to be stopped meanwhile its run begins, and ends as
/// one that is stopped.
async fn is_ready(node: &Node, job: &Job) {
    let mut stops = job.stopper.changes();
    let ready = async {
        node.keeps_up_with_clean_ups().await;
        node.state_is_saved().await;
    };
    tokio::select! {
        () = ready => {}
        _ = stops.wait_for(Option::is_some) => {}
        () = node.is_revoked(&job.task().head.id) => {}
        () = node.stops() => {}
    }
}

/// Waits for the end of the run, and passes on what stops it.
async fn watch(
    node: &Rc<Node>,
    job: &Rc<Job>,
    handle: RunHandle,
    girder: Option<&GirderSide>,
) -> Result<Outcome, RunError> {
    let task = job.task();
    let limits = node.limits_of(task);
    let canceller = handle.canceller();
    let mut stops = job.stopper.changes();
    // It may have been asked for before.
    stops.mark_changed();
    let watched = async {
        tokio::join!(
            limits.watch(&job.stopper),
            async {
                node.is_revoked(&task.head.id).await;
                job.stopper.stop(StoppedFor::Cancel);
            },
            async {
                node.stops().await;
                job.stopper.stop(StoppedFor::Shutdown);
            },
            async {
                let mut has_killed = false;
                while stops.changed().await.is_ok() {
                    let Some(stop) = *stops.borrow_and_update() else { continue };
                    canceller.cancel();
                    if stop.kills && !has_killed {
                        has_killed = true;
                        canceller.cancel();
                    }
                }
            },
            async {
                loop {
                    // A cancel may have been lost with the broker's connection.
                    node.session_changes().await;
                    if let Some(girder) = girder {
                        girder.teller().look();
                    }
                }
            },
        )
    };
    let mut watched = std::pin::pin!(watched);
    let mut handle = handle;
    std::future::poll_fn(|context| {
        // It never comes back: what it watches ends with the run.
        let _ = watched.as_mut().poll(context);
        std::pin::Pin::new(&mut handle).poll(context)
    })
    .await
}

/// Counts what the run moved.
fn note(node: &Node, ran: &Result<Outcome, RunError>) {
    let report = match ran {
        Ok(outcome) => &outcome.report,
        Err(error) => &error.report,
    };
    for (phase, took) in &report.phases {
        node.health.metrics.phase_ended(*phase, *took);
    }
    let into = |sink: &str| sink.starts_with("fifo:");
    let transfers = report.transfers.iter();
    let sums = transfers.fold((0, 0), |(came, went), transfer| match into(&transfer.sink) {
        true => (came + transfer.bytes, went),
        false => (came, went + transfer.bytes),
    });
    let downloaded: u64 = report.downloads.iter().map(|download| download.bytes).sum();
    let uploaded: u64 = report.uploads.iter().map(|upload| upload.bytes).sum();
    let again = report.transfers.iter().map(|transfer| transfer.resumed);
    let again = again.chain(report.downloads.iter().map(|download| download.resumed));
    let again = again.map(u64::from).sum();
    node.health.metrics.girder_retries().fetch_add(again, Ordering::Relaxed);
    node.health.metrics.moved(Direction::In, sums.0 + downloaded);
    node.health.metrics.moved(Direction::Out, sums.1 + uploaded);
}
