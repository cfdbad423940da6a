//! The phases of a run, in their order. Each is a type that only the phase before it can make, and that
//! holds what this phase has found out; of the last, that is how the container ended.

pub(crate) mod clean_up;
pub(crate) mod collect;
pub(crate) mod prepare;
pub(crate) mod start;
pub(crate) mod stream;
pub(crate) mod wait;

use self::prepare::Prepared;
use crate::event::Phase;
use crate::run::end::End;
use crate::run::error::RunError;
use crate::run::hooks;
use crate::run::live::{Live, Stop};
use crate::run::outcome::Outcome;

/// Takes a run from its start to its end.
pub(crate) async fn run(mut live: Live) -> Result<Outcome, RunError> {
    let ended = phases(&mut live).await;
    let phase = live.phase();
    if ended.is_err() {
        hooks::rescue(&mut live).await;
    }
    live.concludes(&ended);
    live.enters(Phase::CleanUp);
    let left = clean_up::clean_up(&mut live).await;
    live.leaves();
    live.ends_job().await;
    live.ended(ended, phase, left)
}

async fn phases(live: &mut Live) -> Result<End, Stop> {
    live.begins_job()?;
    let prepared = Prepared::prepare(live).await?;
    live.enters(Phase::Start);
    let started = prepared.start(live).await?;
    live.enters(Phase::Stream);
    let exited = started.stream(live).await?;
    live.enters(Phase::Wait);
    let drained = exited.wait(live).await?;
    live.enters(Phase::Collect);
    drained.collect(live).await
}
