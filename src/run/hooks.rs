//! The result hooks of a run, in their order.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::time::timeout;

use super::chain::chain;
use super::error::Cause;
use super::live::{Live, MadeContainer};
use super::outcome::{HookRecord, UploadRecord};
use super::settings::Keep;
use crate::docker::{Client, ContainerId};
use crate::event::{Finish, Phase};
use crate::hook::{self, Access, HookError, Performed, Session, Task};
use crate::plan::{Mount, PlannedHook};
use crate::run::blocking::blocking;
use crate::run::cancel::{Cancelled, Level, PHASES_END};
use crate::run::container::open_up;
use crate::run::container::stop::{kill, stop_of_cancelled};
use crate::run::end::{End, Failed};
use crate::volume::is_readable;

/// Which hooks are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those that are marked for runs that failed or were cancelled.
    Marked,
}

/// Sees, before a container exists, that its results will be taken where the hooks put them.
pub(super) async fn look_at_targets(live: &Live) -> Result<(), Cause> {
    let planned = &live.plan.hooks;
    if planned.is_empty() {
        return Ok(());
    }
    let access = Access { client: live.store.open().await?, ledger: live.ledger.clone() };
    let hooks: Vec<_> = planned.iter().map(|planned| planned.hook.clone()).collect();
    // Dropped with this future, if the run is cancelled meanwhile.
    let (_stop, cancelled) = crossbeam_channel::bounded::<Infallible>(0);
    let look = move || Ok(hook::look_at_targets(&hooks, &access, &cancelled));
    blocking(look).await?.map_err(|(at, source)| {
        let label = planned.get(at).map(PlannedHook::label).unwrap_or_default();
        Cause::Hook { label, source: Box::new(source) }
    })
}

/// Carries out the hooks of a run whose container has exited. Each is tried; the first failure is
/// the run's, the others are warnings. So are all when the container failed: that is told by its
/// exit code.
pub(super) async fn perform(live: &mut Live, end: End) -> Result<End, Failed> {
    live.has_collected = true;
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
    match failure {
        None => Ok(End { is_cancelled, ..end }),
        Some(cause) => Err(Failed::new(cause, is_cancelled)),
    }
}

/// Carries out the hooks that are marked for it after a run that failed. What they cannot do is a
/// warning: the failure has its cause already. Whether the run was cancelled while they were carried out.
pub(super) async fn rescue(live: &mut Live) -> bool {
    if live.has_collected {
        return false;
    }
    let runs = match &live.made.container {
        MadeContainer::Started(container) => Some(container.clone()),
        MadeContainer::Exited(..) | MadeContainer::Removing(..) => None,
        MadeContainer::None
        | MadeContainer::Asked
        | MadeContainer::Refused
        | MadeContainer::Created(_) => return false,
    };
    let Some(engine) = live.made.engine.clone() else { return false };
    if !live.plan.hooks.iter().any(PlannedHook::is_marked) {
        return false;
    }
    live.enters(Phase::Collect);
    // What still runs still writes. Clean-up says what it thinks of an engine that does not kill.
    let limit = (live.given.stop_timeout, PHASES_END);
    if let Some(container) = runs {
        let ending = end(live, &engine, &container);
        let ended = live.cancellation.in_time(limit, Box::pin(ending)).await;
        let Ok(Ok(())) = ended else { return false };
    }
    let done = carry_out(live, Which::Marked).await;
    done.errors.iter().for_each(|error| live.warns(chain(error)));
    done.was_cancelled
}

/// Has the results of a program stay that had done its work when its run failed: those that no hook was tried with.
pub(super) async fn keep_untried(live: &mut Live) {
    let limit = (live.given.stop_timeout, PHASES_END);
    for (at, planned) in live.plan.hooks.clone().into_iter().enumerate() {
        if live.has_tried.contains(&at) || live.given.keep == Keep::Never {
            continue;
        }
        let cancellation = live.cancellation.clone();
        if let Err(Cancelled) = cancellation.in_time(limit, open_result(live, &planned)).await {
            tracing::debug!("no time to open up a result for its owner");
        }
        live.keeps_result(&planned);
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
    for (at, hook) in live.plan.hooks.clone().into_iter().enumerate() {
        let only_marked = which == Which::Marked || done.was_cancelled;
        if only_marked && !hook.is_marked() {
            continue;
        }
        let (performed, was_cancelled) = one(live, hook.clone()).await;
        done.was_cancelled |= was_cancelled;
        let was_stopped =
            was_cancelled && !matches!(&performed, Ok(Performed { ended: Ok(()), .. }));
        if !was_stopped {
            live.has_tried.insert(at);
        }
        done.errors.extend(note(live, &hook, performed, was_cancelled));
    }
    done
}

/// Notes what came of a hook, in the report. What a cancel stopped is no error.
fn note(
    live: &mut Live,
    planned: &PlannedHook,
    performed: Result<Performed, Cause>,
    was_cancelled: bool,
) -> Option<Cause> {
    let label = planned.label();
    let mut noted = HookRecord { hook: label.clone(), ..HookRecord::default() };
    let error = match performed {
        Err(cause) => {
            live.keeps_result(planned);
            Some(cause)
        }
        Ok(Performed { ended, uploads, warnings }) => {
            noted.uploads = uploads.into_iter().map(UploadRecord::from).collect();
            warnings.into_iter().for_each(|warning| live.warns(warning));
            match ended {
                Ok(()) => None,
                Err(HookError::Cancelled { .. }) if was_cancelled => {
                    noted.finish = Finish::Cancelled;
                    None
                }
                Err(source) => {
                    live.keeps_result(planned);
                    Some(Cause::Hook { label, source: Box::new(source) })
                }
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
    let (level, cancellation) = (Level::beyond(is_marked), live.cancellation.clone());
    let made = async {
        open_result(live, &planned).await;
        session(live, planned, cancelled).await
    };
    let (session, task) = match cancellation.unless(level, made).await {
        Ok(Ok(made)) => made,
        Ok(Err(cause)) => return (Err(cause), false),
        Err(Cancelled) => {
            return (Ok(Performed::none(label)), true);
        }
    };
    let mut work = std::pin::pin!(blocking(move || Ok(session.perform(&task))));
    // A hook that is marked for cancelled runs is stopped only by who insists.
    if let Ok(performed) = cancellation.unless(level, &mut work).await {
        return (performed, false);
    }
    drop(stop);
    // It notices between two reads. One that hangs in a request is left behind.
    let stopped = timeout(STOPS, &mut work).await.unwrap_or_else(|_| {
        let warnings = vec![format!("{label} has not stopped in time")];
        Ok(Performed { warnings, ..Performed::none(label) })
    });
    (stopped, true)
}

/// Sees that we may read what a hook reads, if it lies in a folder of our own.
async fn open_result(live: &mut Live, planned: &PlannedHook) {
    let Some((mount, path)) = planned.mount.zip(planned.hook.path()) else { return };
    let is_ours = matches!(live.plan.mounts.get(mount), Some(Mount::Temporary { .. }));
    let Some(root) = live.host_side(mount).filter(|_| is_ours && open_up::is_needed()) else {
        return;
    };
    let (root, inside) = (root.to_owned(), path.filename.clone());
    let looked = root.clone();
    if blocking(move || Ok(is_readable(&looked, &inside))).await.unwrap_or(true) {
        return;
    }
    if let Err(error) = open_up::open_up(live, &root).await {
        live.warns(format!(
            "{} has files that we may not read, and the engine did not open them up: {}",
            root.display(),
            chain(&error)
        ));
    }
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
const STOPS: Duration = Duration::from_millis(300);
