//! The fourth phase: the container is over, and what it wrote is still on its way.

use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::docker::{Client, ContainerId, ContainerState, DockerError};
use crate::run::error::{Cause, chain};
use crate::run::live::{Live, Stop};
use crate::run::phases::clean_up::begin_removal;
use crate::run::phases::stream::Exited;
use crate::run::transfers::Turn;
use crate::sys::kernel_log;

/// The container is over and every byte has arrived.
#[derive(Debug)]
pub(crate) struct Drained;

impl Exited {
    /// Waits until every transfer has ended, and asks how the container did.
    ///
    /// The pump bounds the container's side of it: a FIFO or stream that somebody keeps open. How
    /// long our own sinks take is for them to say.
    pub(crate) async fn wait(self, live: &mut Live) -> Result<Drained, Stop> {
        let Self { engine, container, exit } = self;
        live.transfers.container_exited();
        let state = if live.report.exit_code == Some(0) {
            tokio::join!(engine.inspect(&container), drain(live)).0
        } else {
            drain(live).await;
            look_at_failure(&engine, &container, live.report.exit_code == KILLED).await
        };
        match state {
            Ok(state) => live.report.oom_killed = state.oom_killed,
            Err(error) => {
                let why = chain(&error);
                live.warns(format!("nothing is known of how the container ended: {why}"));
            }
        }
        begin_removal(live, engine, container);
        if let Some(error) = exit.error {
            live.warns(format!("the engine says of the container's end: {error}"));
        }
        match live.failure.take() {
            None => Ok(Drained),
            Some((_, cause)) if live.report.cancelled => {
                live.warns(chain(&cause));
                Ok(Drained)
            }
            Some((phase, cause)) => Err(Stop::FailedIn(phase, cause)),
        }
    }
}

/// The exit code of a process that `SIGKILL` ended.
const KILLED: Option<i64> = Some(137);

/// How long the engine may take to hear from the kernel that it was for want of memory: that comes
/// another way than the exit.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// How a container that failed has ended. An engine that is busy may never hear that it was for want of
/// memory (Docker 20.10 on cgroup v1 missed a third of such ends while it started other containers), so
/// the kernel is asked as well, where it is ours and we may.
async fn look_at_failure(
    engine: &Client,
    container: &ContainerId,
    was_killed: bool,
) -> Result<ContainerState, DockerError> {
    let mut state = engine.inspect(container).await?;
    if state.oom_killed {
        return Ok(state);
    }
    let id = container.to_string();
    match spawn_blocking(move || kernel_log::names_as_out_of_memory(&id)).await {
        Ok(Ok(named)) => state.oom_killed = named,
        Ok(Err(error)) => tracing::debug!(%error, "cannot read the kernel's log"),
        Err(error) => tracing::debug!(%error, "reading the kernel's log panicked"),
    }
    if !was_killed || state.oom_killed {
        return Ok(state);
    }
    tokio::time::sleep(SECOND_LOOK).await;
    engine.inspect(container).await
}

async fn drain(live: &mut Live) {
    let mut cancellation = live.cancellation.clone();
    let was_stopped = live.report.cancelled;
    // A container that was stopped still has its last words; who insists does not want them.
    let mut given_up = std::pin::pin!(async move {
        if was_stopped { cancellation.insisted().await } else { cancellation.asked().await }
    });
    let mut is_given_up = false;
    while !live.transfers.have_ended() {
        let turn = tokio::select! {
            turn = live.transfers.turn() => turn,
            () = &mut given_up, if !is_given_up => {
                is_given_up = true;
                live.report.cancelled = true;
                live.transfers.cancel();
                continue;
            }
        };
        if let Turn::Failed { cause } = turn {
            live.transfer_failed(cause);
        }
    }
    for mut relay in std::mem::take(&mut live.made.relays) {
        let written = tokio::select! {
            written = relay.ended() => written,
            () = &mut given_up, if !is_given_up => {
                is_given_up = true;
                live.report.cancelled = true;
                continue;
            }
            // Whoever has given up waits for nobody.
            () = std::future::ready(()), if is_given_up => continue,
        };
        if let Err(error) = written {
            live.warns(format!("cannot write the container's output: {error}"));
        }
    }
}

impl Live {
    /// Remembers the first failure; another is a warning.
    pub(crate) fn transfer_failed(&mut self, cause: Cause) {
        match &self.failure {
            None => self.failure = Some((self.phase(), cause)),
            Some(_) => self.warns(chain(&cause)),
        }
    }
}
