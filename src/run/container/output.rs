//! The container's output, when its connection is over before the container is: the engine went away, or
//! somebody between cut it, or we stood still for so long that the engine threw its rest away.
//!
//! The engine's log has everything from the first byte on, if it is kept so ([`is_log_whole`]); then it takes
//! the connection's place. Otherwise another attach does, and what may be missing is told.
//!
//! [`is_log_whole`]: crate::docker::ContainerState::is_log_whole

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::backoff::Backoff;
use crate::docker::{Client, ContainerId, DockerError, Endpoint, Log};
use crate::pump::{Brings, OutputEnd, Successor};
use crate::run::cancel::Cancellation;
use crate::run::container::absence::patiently;
use crate::run::transfers::BrokeOff;

/// Where a container's output can be had again.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) engine: Client,
    pub(crate) container: ContainerId,
    pub(crate) cancellation: Cancellation,
}

impl Output {
    /// Opens another connection to the output. None: there is nothing to be had.
    pub(crate) async fn reopen(&self) -> Result<Option<Successor>, DockerError> {
        let Self { engine, container, cancellation } = self;
        let state = patiently(engine, cancellation, || engine.inspect(container)).await?;
        if state.is_log_whole {
            let log = patiently(engine, cancellation, || engine.log(container)).await?;
            return relay(log).map(Some).or_else(|error| {
                tracing::warn!(%error, "no descriptors for the container's log");
                Ok(None)
            });
        }
        if !state.running {
            return Ok(None);
        }
        let attach = || engine.attach_without_tty(container);
        let attached = patiently(engine, cancellation, attach).await?;
        let (socket, read_ahead) = (attached.socket, attached.read_ahead);
        Ok(Some(Successor { socket, read_ahead, brings: Brings::WhatComes }))
    }

    /// Whether the end of the connection was the output's, when the container has exited, at `exited`.
    pub(crate) async fn was_all(&self, broke_off: BrokeOff, exited: Instant) -> bool {
        match broke_off.end {
            OutputEnd::Orderly => !self.ended_early(broke_off, exited).await,
            OutputEnd::Late { at } => {
                !self.was_left_waiting(at).await && !self.ended_early(broke_off, exited).await
            }
            _ => false,
        }
    }

    /// Whether the engine may have waited for us as long as it does, when it ended the connection, at `end`. Only then
    /// has it thrown anything away. It waits from the container's end on, and only its own clock tells when that was.
    async fn was_left_waiting(&self, end: Instant) -> bool {
        let Self { engine, container, cancellation } = self;
        let asked = Instant::now();
        let clock = patiently(engine, cancellation, || engine.clock()).await;
        let state = patiently(engine, cancellation, || engine.inspect(container)).await;
        tracing::debug!(?clock, ?state, "the output came late");
        let (Ok(clock), Ok(state)) = (clock, state) else { return true };
        has_waited(asked.saturating_duration_since(end), clock, state.finished)
    }

    /// Whether the connection ended before the container did, at `exited`.
    ///
    /// The kernel says of a container of this machine whether it was over when the connection was, however late the
    /// engine tells of it. Where that is not to be had, or a program has closed its output a moment before it ended, the
    /// clocks decide.
    async fn ended_early(&self, broke_off: BrokeOff, exited: Instant) -> bool {
        let Self { engine, container, cancellation } = self;
        if broke_off.was_over || exited.saturating_duration_since(broke_off.at) < SOON {
            return false;
        }
        // On another machine there is another clock.
        let Endpoint::Unix(_) = engine.endpoint() else { return true };
        match patiently(engine, cancellation, || engine.inspect(container)).await {
            Ok(state) => {
                state.finished.is_none_or(|finished| broke_off.at_the_clock + SOON / 2 < finished)
            }
            Err(_) => true,
        }
    }
}

/// Whether the engine may have waited for its patience, when the output has ended `ago` before it was asked for its
/// `clock`. It looks at that after it was asked, so by its clock the end was then or before.
fn has_waited(ago: Duration, clock: SystemTime, finished: Option<SystemTime>) -> bool {
    let (Some(ended), Some(finished)) = (clock.checked_sub(ago), finished) else { return true };
    ended.duration_since(finished).is_ok_and(|waited| waited >= PATIENCE)
}

/// For how long after a container's end the engine waits until its output is taken: two seconds (`handleContainerExit` in
/// moby's daemon/monitor.go). A little less, for a clock that is being set.
const PATIENCE: Duration = Duration::from_millis(1900);

/// How long after the output's end an engine may say that the container has exited.
const SOON: Duration = Duration::from_millis(100);

/// Opens connections while the container runs, one after the other.
pub(crate) struct Reopening {
    output: Output,
    pauses: Backoff,
    work: Option<Pin<Box<dyn Future<Output = Successor> + Send>>>,
}

impl Reopening {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, pauses: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), work: None }
    }

    /// Comes back with the next connection, when the one before it is over. May be dropped and asked again.
    pub(crate) async fn successor(&mut self, broke_off: Option<BrokeOff>) -> Successor {
        if broke_off.is_none() {
            return pending().await;
        }
        let work = self.work.get_or_insert_with(|| {
            // Each that is over is a failure: the container runs.
            let (output, pause) = (self.output.clone(), self.pauses.failed(None));
            Box::pin(async move {
                // As a rule the exit comes now.
                tokio::time::sleep(pause).await;
                match output.reopen().await {
                    Ok(Some(successor)) => successor,
                    // What becomes of the engine, and of the container, is heard elsewhere.
                    nothing => {
                        tracing::debug!(?nothing, "the container's output cannot be had");
                        pending().await
                    }
                }
            })
        });
        let successor = work.await;
        self.work = None;
        successor
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Gives the pump a socket that a log comes out of.
fn relay(mut log: Log) -> io::Result<Successor> {
    let (ours, mut theirs) = UnixStream::pair()?;
    tokio::spawn(async move {
        loop {
            match log.next().await {
                Ok(Some(bytes)) if theirs.write_all(&bytes).await.is_ok() => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(?error, "the container's log broke off");
                    // A part of a header, which is no end.
                    let _ = theirs.write_all(&[1]).await;
                    return;
                }
            }
        }
    });
    let socket = ours.into_std()?.into();
    Ok(Successor { socket, read_ahead: Bytes::new(), brings: Brings::Everything })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_waited_when_the_output_ended_its_patience_after_the_container() {
        let clock = SystemTime::now();
        let before = |seconds| Some(clock - Duration::from_secs(seconds));
        assert!(!has_waited(Duration::ZERO, clock, before(1)));
        assert!(has_waited(Duration::ZERO, clock, before(2)));
        // It is asked a minute later.
        let ago = Duration::from_secs(60);
        assert!(!has_waited(ago, clock, before(61)));
        assert!(has_waited(ago, clock, before(62)));
        // The output is over before the container is: that is for others to judge.
        assert!(!has_waited(ago, clock, before(1)));
        assert!(has_waited(ago, clock, None));
    }
}
