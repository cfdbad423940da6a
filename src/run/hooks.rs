//! The result hooks of a run, in their order.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use super::error::{Cause, chain};
use super::live::{Live, MadeContainer};
use super::outcome::UploadRecord;
use crate::docker::{Client, ContainerId};
use crate::event::Phase;
use crate::hook::{HookError, Session, Task, Uploaded};
use crate::plan::PlannedHook;
use crate::run::phases::prepare::blocking;
use crate::run::phases::stream::{kill, stop};

/// Which hooks are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those that are marked for runs that failed or were cancelled.
    Marked,
}

/// Carries out the hooks of a run whose container has exited. Each is tried; the first failure is
/// the run's, the others are warnings. So are all when the container failed: that is told by its
/// exit code.
pub(super) async fn perform(live: &mut Live) -> Result<(), Cause> {
    let succeeded = live.report.exit_code == Some(0) && !live.report.cancelled;
    let which = if succeeded { Which::All } else { Which::Marked };
    let mut failure = None;
    for error in carry_out(live, which).await {
        match &failure {
            None if which == Which::All => failure = Some(error),
            _ => live.warns(chain(&error)),
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Carries out the hooks that are marked for it after a run that failed. What they cannot do is a
/// warning: the failure has its cause already.
pub(super) async fn rescue(live: &mut Live) {
    let runs = match &live.made.container {
        MadeContainer::Started(container) => Some(container.clone()),
        MadeContainer::Removing(_) => None,
        MadeContainer::None | MadeContainer::Asked | MadeContainer::Created(_) => return,
    };
    let Some(engine) = live.made.engine.clone() else { return };
    if !live.plan.hooks.iter().any(PlannedHook::is_marked) {
        return;
    }
    live.enters(Phase::Collect);
    // What still runs still writes. Clean-up says what it thinks of an engine that does not kill.
    if let Some(container) = runs
        && end(live, &engine, &container).await.is_err()
    {
        return;
    }
    for error in carry_out(live, Which::Marked).await {
        live.warns(chain(&error));
    }
}

/// Ends a container that may still run.
async fn end(live: &Live, engine: &Client, container: &ContainerId) -> Result<(), Cause> {
    let mut cancellation = live.cancellation.clone();
    if !cancellation.is_asked() {
        return kill(engine, container).await;
    }
    tokio::select! {
        biased;
        () = cancellation.insisted() => kill(engine, container).await,
        stopped = stop(engine, container, live.given.stop_timeout) => stopped,
    }
}

async fn carry_out(live: &mut Live, which: Which) -> Vec<Cause> {
    let mut errors = Vec::new();
    for at in 0..live.plan.hooks.len() {
        let Some(hook) = live.plan.hooks.get(at).cloned() else { continue };
        let only_marked = which == Which::Marked || live.report.cancelled;
        if only_marked && !hook.is_marked() {
            continue;
        }
        errors.extend(one(live, hook).await.err());
    }
    errors
}

async fn one(live: &mut Live, planned: PlannedHook) -> Result<(), Cause> {
    let root = match planned.mount {
        Some(mount) => live.host_side(mount).ok_or(Cause::Bug("a volume without a folder"))?.into(),
        None => PathBuf::new(),
    };
    let is_marked = planned.is_marked();
    let label = planned.label();
    let task = Task { hook: planned.hook, root, job_id: planned.job_id };
    let (stop, cancelled) = crossbeam_channel::bounded::<Infallible>(0);
    let mut session = Session {
        client: live.girder_client().await?,
        ledger: live.ledger.clone(),
        cancelled,
        uploads: Vec::new(),
        warnings: Vec::new(),
    };
    let work = blocking(move || {
        let ended = session.perform(&task);
        Ok((session, ended))
    });
    let mut work = std::pin::pin!(work);
    let mut cancellation = live.cancellation.clone();
    // A hook that is marked for cancelled runs is stopped only by who insists.
    let asked = async {
        if is_marked { cancellation.insisted().await } else { cancellation.asked().await }
    };
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = asked => {
            live.report.cancelled = true;
            drop(stop);
            // It notices between two reads. One that hangs in a request is left behind.
            match timeout(STOPS, &mut work).await {
                Ok(ended) => ended,
                Err(_) => {
                    live.warns(format!("{label} has not stopped in time"));
                    return Ok(());
                }
            }
        }
    };
    let (session, ended) = ended?;
    live.report.uploads.extend(session.uploads.into_iter().map(record));
    session.warnings.into_iter().for_each(|warning| live.warns(warning));
    match ended {
        Err(HookError::Cancelled { .. }) if live.report.cancelled => Ok(()),
        ended => ended.map_err(|source| Cause::Hook { label, source: Box::new(source) }),
    }
}

pub(super) fn record(uploaded: Uploaded) -> UploadRecord {
    let Uploaded { item_id, file_id, job_id, name, bytes } = uploaded;
    UploadRecord { item_id, file_id, job_id, name, bytes }
}

/// How long a hook that was told to stop may take.
const STOPS: Duration = Duration::from_secs(10);
