//! The third phase: bytes move while the container runs, until it exits.

use std::time::Duration;

use crate::docker::{Client, ContainerId};
use crate::event::Event;
use crate::run::cancel::Cancellation;
use crate::run::container::absence::patiently;
use crate::run::container::exit::{Ended, exit_of};
use crate::run::container::output::{Output, Reopening};
use crate::run::container::stop::{kill, stop_of_cancelled};
use crate::run::end::{ContainerEnd, Stop};
use crate::run::error::Cause;
use crate::run::live::{Live, MadeContainer};
use crate::run::phases::start::Started;
use crate::run::transfers::Turn;

/// The container is over; bytes may still be on their way.
#[derive(Debug)]
pub(crate) struct Exited {
    pub(crate) engine: Client,
    pub(crate) container: ContainerId,
    pub(crate) ended: Ended,
    pub(crate) is_cancelled: bool,
}

impl Started {
    /// Follows the transfers until the container exits; stops it when the run is cancelled.
    ///
    /// A transfer that fails kills the container, and is remembered: the run goes on to its exit.
    pub(crate) async fn stream(self, live: &mut Live) -> Result<Exited, Stop> {
        let Self { engine, container, exit } = self;
        let (cancellation, grace) = (live.cancellation.clone(), live.given.stop_timeout);
        let ending = exit_of(&engine, &container, exit, &cancellation);
        let follow = follow(live, (&engine, &container, &cancellation), ending);
        let stop = stop_and_wait(&engine, &container, (&cancellation, grace));
        let ended = cancellation.beside(follow, stop).await.map_err(Stop::from)??;
        if let Some(away) = ended.away {
            live.warns(format!(
                "the engine went away while the container ran, and was met again after {:.1} s",
                away.as_secs_f32()
            ));
        }
        let is_cancelled = cancellation.go_on().is_err();
        let exit_code = ended.exit.status_code;
        let end = ContainerEnd { exit_code, oom_killed: false };
        live.made.container = MadeContainer::Exited(container.clone(), end);
        live.tell(&Event::ContainerExited { exit_code });
        Ok(Exited { engine, container, ended, is_cancelled })
    }
}

/// The run's one loop: what the pump says, until the engine says that the container has exited.
async fn follow(
    live: &mut Live,
    (engine, container, cancellation): (&Client, &ContainerId, &Cancellation),
    ending: impl Future<Output = Result<Ended, Cause>>,
) -> Result<Ended, Cause> {
    let mut ending = std::pin::pin!(ending);
    let mut reopening = Reopening::new(Output {
        engine: engine.clone(),
        container: container.clone(),
        cancellation: cancellation.clone(),
    });
    loop {
        let broke_off = live.transfers.output_broke_off();
        let turn = tokio::select! {
            biased;
            ended = &mut ending => return ended,
            successor = reopening.successor(broke_off) => {
                live.transfers.output_goes_on(successor);
                continue;
            }
            turn = live.transfers.turn() => turn,
        };
        if broke_off.is_none()
            && live.transfers.output_broke_off().is_some()
            && live.made.usage.is_over()
        {
            live.transfers.output_broke_off_at_the_end();
        }
        live.heeds_closed_stdout();
        if let Turn::Failed { cause } = turn {
            // The pump holds the FIFO open until it is told of the exit: the reader must not take
            // a short file for a whole one.
            patiently(engine, cancellation, || kill(engine, container))
                .await
                .map_err(Cause::Stop)?;
            live.transfer_failed(cause);
        }
    }
}

/// Stops the container. Comes back only when it could not be stopped.
async fn stop_and_wait(
    engine: &Client,
    container: &ContainerId,
    (cancellation, grace): (&Cancellation, Duration),
) -> Cause {
    if let Err(cause) = stop_of_cancelled(engine, container, (cancellation, grace)).await {
        return cause;
    }
    tokio::time::sleep(EXIT_AFTER_STOP).await;
    Cause::NoExit
}

/// How long after a stop the engine may take to tell of the exit.
const EXIT_AFTER_STOP: Duration = Duration::from_secs(30);
