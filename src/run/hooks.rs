//! The result hooks of a run, in their order.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::time::timeout;

use super::error::{Cause, chain};
use super::live::{Live, MadeContainer};
use super::outcome::{HookRecord, UploadRecord};
use crate::docker::{Client, ContainerId};
use crate::event::{Finish, Phase};
use crate::hook::{Access, HookError, Performed, Session, Task};
use crate::plan::PlannedHook;
use crate::run::blocking::blocking;
use crate::run::cancel::{Cancelled, Level};
use crate::run::container::stop::{kill, stop_of_cancelled};
use crate::run::end::End;

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
pub(super) async fn perform(live: &mut Live, end: End) -> Result<End, Cause> {
    let which = if end.has_succeeded() { Which::All } else { Which::Marked };
    let done = carry_out(live, which).await;
    let mut failure = None;
    for error in done.errors {
        match &failure {
            None if which == Which::All => failure = Some(error),
            _ => live.warns(chain(&error)),
        }
    }
    let is_cancelled = end.is_cancelled || done.was_cancelled;
    failure.map_or(Ok(End { is_cancelled, ..end }), Err)
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
    for error in carry_out(live, Which::Marked).await.errors {
        live.warns(chain(&error));
    }
}

/// Ends a container that may still run.
async fn end(live: &Live, engine: &Client, container: &ContainerId) -> Result<(), Cause> {
    match live.cancellation.go_on() {
        Ok(()) => kill(engine, container).await.map_err(Cause::Stop),
        Err(Cancelled) => {
            let how = (&live.cancellation, live.given.stop_timeout);
            stop_of_cancelled(engine, container, how).await
        }
    }
}

/// What came of hooks.
#[derive(Debug, Default)]
struct Done {
    /// While one of them was carried out.
    was_cancelled: bool,
    errors: Vec<Cause>,
}

async fn carry_out(live: &mut Live, which: Which) -> Done {
    let mut done = Done::default();
    for hook in live.plan.hooks.clone() {
        let only_marked = which == Which::Marked || done.was_cancelled;
        if only_marked && !hook.is_marked() {
            continue;
        }
        let label = hook.label();
        let (performed, was_cancelled) = one(live, hook).await;
        done.was_cancelled |= was_cancelled;
        done.errors.extend(note(live, label, performed, was_cancelled));
    }
    done
}

/// Notes what came of a hook, in the report. What a cancel stopped is no error.
fn note(
    live: &mut Live,
    hook: String,
    performed: Result<Performed, Cause>,
    was_cancelled: bool,
) -> Option<Cause> {
    let mut noted = HookRecord { hook: hook.clone(), ..HookRecord::default() };
    let error = match performed {
        Err(cause) => Some(cause),
        Ok(Performed { ended, uploads, warnings }) => {
            noted.uploads = uploads.into_iter().map(UploadRecord::from).collect();
            warnings.into_iter().for_each(|warning| live.warns(warning));
            match ended {
                Ok(()) => None,
                Err(HookError::Cancelled { .. }) if was_cancelled => {
                    noted.finish = Finish::Cancelled;
                    None
                }
                Err(source) => Some(Cause::Hook { label: hook, source: Box::new(source) }),
            }
        }
    };
    if let Some(cause) = &error {
        (noted.finish, noted.error) = (Finish::Failed, Some(chain(cause)));
    }
    live.report.uploads.extend(noted.uploads.iter().cloned());
    live.report.hooks.push(noted);
    error
}

/// Carries out one hook; also says whether the run was cancelled meanwhile.
async fn one(live: &mut Live, planned: PlannedHook) -> (Result<Performed, Cause>, bool) {
    let is_marked = planned.is_marked();
    let label = planned.label();
    let (stop, cancelled) = crossbeam_channel::bounded::<Infallible>(0);
    let (session, task) = match session(live, planned, cancelled).await {
        Ok(made) => made,
        Err(cause) => return (Err(cause), false),
    };
    let mut work = std::pin::pin!(blocking(move || Ok(session.perform(&task))));
    let cancellation = live.cancellation.clone();
    // A hook that is marked for cancelled runs is stopped only by who insists.
    if let Ok(performed) = cancellation.unless(Level::beyond(is_marked), &mut work).await {
        return (performed, false);
    }
    live.report.cancelled = true;
    drop(stop);
    // It notices between two reads. One that hangs in a request is left behind.
    let stopped = timeout(STOPS, &mut work).await.unwrap_or_else(|_| {
        let warnings = vec![format!("{label} has not stopped in time")];
        let ended = Err(HookError::Cancelled { path: label });
        Ok(Performed { ended, uploads: Vec::new(), warnings })
    });
    (stopped, true)
}

async fn session(
    live: &Live,
    planned: PlannedHook,
    cancelled: Receiver<Infallible>,
) -> Result<(Session, Task), Cause> {
    let root = match planned.mount {
        Some(mount) => live.host_side(mount).ok_or(Cause::Bug("a volume without a folder"))?.into(),
        None => PathBuf::new(),
    };
    let access = Access { client: live.store.open().await?, ledger: live.ledger.clone() };
    Ok((access.session(cancelled), Task { hook: planned.hook, root, job_id: planned.job_id }))
}

/// How long a hook that was told to stop may take.
const STOPS: Duration = Duration::from_secs(10);
