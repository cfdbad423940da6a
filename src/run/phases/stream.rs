//! The third phase: bytes move while the container runs, until it exits.

use std::time::Duration;

use crate::docker::{Client, ContainerId, DockerError, Exit};
use crate::event::Event;
use crate::run::cancel::Cancellation;
use crate::run::error::Cause;
use crate::run::live::{Live, Stop};
use crate::run::phases::start::Started;
use crate::run::transfers::Turn;

/// The container is over; bytes may still be on their way.
#[derive(Debug)]
pub(crate) struct Exited {
    pub(crate) engine: Client,
    pub(crate) container: ContainerId,
    pub(crate) exit: Exit,
}

impl Started {
    /// Follows the transfers until the container exits; stops it when the run is cancelled.
    ///
    /// A transfer that fails kills the container, and is remembered: the run goes on to its exit.
    pub(crate) async fn stream(self, live: &mut Live) -> Result<Exited, Stop> {
        let Self { engine, container, exit } = self;
        let (cancellation, grace) = (live.cancellation.clone(), live.given.stop_timeout);
        let exit = tokio::select! {
            biased;
            exit = follow(live, &engine, &container, exit.exit()) => exit?,
            cause = stop_when_asked(&engine, &container, cancellation, grace) => {
                return Err(Stop::Failed(cause));
            }
        };
        live.report.cancelled = live.cancellation.is_asked();
        live.report.exit_code = Some(exit.status_code);
        live.tell(&Event::ContainerExited { exit_code: exit.status_code });
        Ok(Exited { engine, container, exit })
    }
}

/// The run's one loop: what the pump says, until the engine says that the container has exited.
async fn follow(
    live: &mut Live,
    engine: &Client,
    container: &ContainerId,
    exit: impl Future<Output = Result<Exit, DockerError>>,
) -> Result<Exit, Cause> {
    let mut exit = std::pin::pin!(exit);
    loop {
        let turn = tokio::select! {
            biased;
            exit = &mut exit => return exit.map_err(Cause::Exit),
            turn = live.transfers.turn() => turn,
        };
        if let Turn::Failed { cause } = turn {
            // The pump holds the FIFO open until it is told of the exit: the reader must not take
            // a short file for a whole one.
            kill(engine, container).await?;
            live.transfer_failed(cause);
        }
    }
}

/// Comes back only when the container could not be stopped.
async fn stop_when_asked(
    engine: &Client,
    container: &ContainerId,
    mut cancellation: Cancellation,
    grace: Duration,
) -> Cause {
    cancellation.asked().await;
    let stopped = tokio::select! {
        biased;
        () = cancellation.insisted() => kill(engine, container).await,
        stopped = stop(engine, container, grace) => stopped,
    };
    if let Err(cause) = stopped {
        return cause;
    }
    tokio::time::sleep(EXIT_AFTER_STOP).await;
    Cause::NoExit
}

/// Stops a container, and kills it when that comes to nothing.
pub(crate) async fn stop(
    engine: &Client,
    container: &ContainerId,
    grace: Duration,
) -> Result<(), Cause> {
    match engine.stop(container, grace).await {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::debug!(%container, ?error, "stop failed, killing");
            kill(engine, container).await
        }
    }
}

/// Kills a container; one that does not run, or is gone, is none that could be killed.
pub(crate) async fn kill(engine: &Client, container: &ContainerId) -> Result<(), Cause> {
    match engine.kill(container, "KILL").await {
        Err(error) if !error.is_conflict() && !error.is_not_found() => Err(Cause::Stop(error)),
        _ => Ok(()),
    }
}

/// How long after a stop the engine may take to tell of the exit.
const EXIT_AFTER_STOP: Duration = Duration::from_secs(30);
