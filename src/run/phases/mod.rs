//! The phases of a run, in their order. Each is a type that only the phase before it can make, and that
//! holds what this phase has found out; of the last, that is how the container ended.

pub(crate) mod clean_up;
pub(crate) mod collect;
pub(crate) mod late;
pub(crate) mod prepare;
pub(crate) mod start;
pub(crate) mod stream;
pub(crate) mod wait;

use std::time::Duration;

use tokio::task::JoinHandle;

use self::late::LateRemoval;
use self::prepare::Prepared;
use self::wait::Drained;
use crate::event::Phase;
use crate::run::cancel::PHASES_END;
use crate::run::end::{End, Ended, Failed, Stop};
use crate::run::error::{Cause, RunError};
use crate::run::hooks;
use crate::run::live::{Live, MadeContainer};
use crate::run::outcome::Outcome;
use crate::run::settings::Keep;

/// Takes a run from its start to its end. Its phases are boxed: one is as large as the largest thing that it ever waits
/// for. Gives what is still to be done when its end has been told.
pub(crate) async fn run(mut live: Live) -> (Result<Outcome, RunError>, Option<Rest>) {
    let limit = TimeLimit::begin(&live);
    let mut ended = limit.judge(Box::pin(phases(&mut live)).await);
    let phase = live.phase();
    if let Err(stop) = ended {
        let is_cancelled = Box::pin(hooks::rescue(&mut live)).await;
        let stop = stop.cancelled_since(is_cancelled);
        if let Stop::Failed(failed) = &stop {
            Box::pin(collect::keep_results(&mut live, failed)).await;
        }
        ended = Err(stop);
    }
    live.concludes(&ended);
    live.enters(Phase::CleanUp);
    if ends_before_clean_up(&live, &ended) {
        live.ends_job().await;
        return (live.ended(ended, phase, Vec::new()), Some(Rest::CleanUp(Box::new(live))));
    }
    let left = Box::pin(clean_up::clean_up(&mut live)).await;
    live.leaves();
    live.ends_job().await;
    let late = live.made.late.take().map(Rest::Container);
    (live.ended(ended, phase, left), late)
}

/// What a run does when its end has been told.
pub(crate) enum Rest {
    /// It removes what it has made.
    CleanUp(Box<Live>),
    /// It removes the container, for which there was no time.
    Container(LateRemoval),
}

impl Rest {
    /// Does it.
    pub(crate) async fn carry_out(self) {
        match self {
            Self::CleanUp(live) => clean_up_after_the_end(*live).await,
            Self::Container(late) => late.carry_out().await,
        }
    }
}

/// Whether somebody wants that, and nothing that the clean-up does changes what is told of the run: a container that
/// has exited is being removed, and no result stays on this host.
fn ends_before_clean_up(live: &Live, ended: &Ended) -> bool {
    live.given.cleaned_up.is_some()
        && matches!(ended, Ok(End { is_cancelled: false, .. }))
        && matches!(live.made.container, MadeContainer::Removing(..))
        && live.made.staying.is_empty()
        && live.given.keep != Keep::Always
}

/// Removes what the run has made, when its end has been told.
async fn clean_up_after_the_end(mut live: Live) {
    let left = Box::pin(clean_up::clean_up(&mut live)).await;
    live.leaves();
    let took = live.report.phases.last().map_or(Duration::ZERO, |(_, took)| *took);
    if let Some(cleaned_up) = live.given.cleaned_up.take() {
        cleaned_up.tell(took, left);
    }
    if let Some(late) = live.made.late.take() {
        late.carry_out().await;
    }
}

/// How long a run may take: when it is over, the run is cancelled.
struct TimeLimit(Option<(Duration, JoinHandle<()>)>);

impl TimeLimit {
    fn begin(live: &Live) -> Self {
        let canceller = live.cancellation.canceller();
        Self(live.given.timeout.map(|limit| {
            let ends = async move {
                tokio::time::sleep(limit).await;
                canceller.cancel();
            };
            (limit, tokio::spawn(ends))
        }))
    }

    /// What came of the phases, given that they may have had too little time. Results are in their
    /// place by now, or are not any more.
    fn judge(self, ended: Ended) -> Ended {
        let Self(Some((after, ends))) = self else { return ended };
        let is_over = ends.is_finished();
        ends.abort();
        match ended {
            Ok(End { is_cancelled: true, .. }) | Err(Stop::Cancelled) if is_over => {
                Err(Failed::new(Cause::TimedOut { after }, true).into())
            }
            ended => ended,
        }
    }
}

async fn phases(live: &mut Live) -> Ended {
    live.begins_job()?;
    let (cancellation, grace) = (live.cancellation.clone(), live.given.stop_timeout);
    let drained =
        cancellation.in_time((grace, PHASES_END), Box::pin(until_drained(live))).await??;
    live.enters(Phase::Collect);
    Box::pin(drained.collect(live)).await
}

/// Whatever does not answer, or is not taken, does not hold up a run that was cancelled: this is dropped
/// then.
async fn until_drained(live: &mut Live) -> Result<Drained, Stop> {
    let prepared = Box::pin(Prepared::prepare(live)).await?;
    live.enters(Phase::Start);
    let started = Box::pin(prepared.start(live)).await?;
    live.enters(Phase::Stream);
    let exited = Box::pin(started.stream(live)).await?;
    live.enters(Phase::Wait);
    Box::pin(exited.wait(live)).await
}
