//! The second phase: the container's outputs are taken hold of, then it starts.
//!
//! The order loses nothing: output FIFOs, attach, `wait?condition=next-exit`, start. See the
//! engine's chapter, [`docker`](crate::docker).

use super::error::Cause;
use super::live::{Live, MadeContainer, Stop};
use super::plan::PlannedSource;
use super::prepare::{NO_SINK, Prepared};
use super::split::Frames;
use super::transfers::Turn;
use crate::docker::{Client, ContainerId, ExitWait};
use crate::event::Event;
use crate::pump::{Attach, Sink, Source};

/// The container runs.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) engine: Client,
    pub(super) container: ContainerId,
    pub(super) exit: ExitWait,
}

impl Prepared {
    /// Takes hold of every output, and starts the container.
    ///
    /// A start that is under way is not given up when the run is cancelled, unless somebody
    /// insists: the container may run already, and is then to be stopped with its grace period.
    pub(super) async fn start(self, live: &mut Live) -> Result<Started, Stop> {
        let mut cancellation = live.cancellation.clone();
        let ready = Live::unless_cancelled(&cancellation, self.take_hold(live)).await?;
        tokio::select! {
            biased;
            () = cancellation.insisted() => Err(Stop::Cancelled),
            started = ready.start(live) => Ok(started?),
        }
    }

    async fn take_hold(self, live: &mut Live) -> Result<Ready, Cause> {
        let Self { engine, container, mut sinks } = self;
        begin_outputs(live, &mut sinks)?;
        begin_streams(live, &engine, &container, &mut sinks).await?;
        let exit = engine.wait_next_exit(&container).await.map_err(Cause::Attach)?;
        refuse_broken_sources(live)?;
        Ok(Ready(Started { engine, container, exit }))
    }
}

/// Every output is taken hold of, and the container is about to start.
struct Ready(Started);

impl Ready {
    async fn start(self, live: &mut Live) -> Result<Started, Cause> {
        let Self(Started { engine, container, exit }) = self;
        // Noted before it is done: a start that is given up halfway may succeed all the same.
        live.made.container = MadeContainer::Started(container.clone());
        if let Err(error) = engine.start(&container).await {
            if !error.is_transient() {
                live.made.container = MadeContainer::Created(container);
            }
            return Err(Cause::Start(error));
        }
        live.tell(&Event::ContainerStarted { id: container.to_string() });
        Ok(Started { engine, container, exit })
    }
}

fn begin_outputs(live: &mut Live, sinks: &mut [Option<Sink>]) -> Result<(), Cause> {
    for (at, transfer) in live.plan.transfers.iter().enumerate() {
        let PlannedSource::Fifo(fifo) = transfer.source else { continue };
        let fifo = live.made.fifos.get(fifo).ok_or(Cause::Bug("a FIFO was not made"))?;
        let source = Source::Fifo(fifo.share().map_err(Cause::Volume)?);
        live.transfers.begin(at, source, take(sinks, at)?, None)?;
    }
    Ok(())
}

async fn begin_streams(
    live: &mut Live,
    engine: &Client,
    container: &ContainerId,
    sinks: &mut [Option<Sink>],
) -> Result<(), Cause> {
    let mut stream = |source: PlannedSource| {
        let at = live.plan.transfers.iter().position(|transfer| transfer.source == source);
        let at = at.ok_or(Cause::Bug("a stream of the container that goes nowhere"))?;
        Ok((at, take(sinks, at)?))
    };
    let stdout = stream(PlannedSource::ContainerStdOut)?;
    let stderr = stream(PlannedSource::ContainerStdErr)?;
    let attached = engine.attach(container).await.map_err(Cause::Attach)?;
    if !attached.framed {
        return Err(Cause::Bug("a container without a terminal whose streams are not framed"));
    }
    let split = Box::new(Frames::default());
    let attach = Attach { socket: attached.socket, read_ahead: attached.read_ahead, split };
    live.transfers.begin_streams(attach, stdout, stderr)
}

fn take(sinks: &mut [Option<Sink>], at: usize) -> Result<Sink, Cause> {
    sinks.get_mut(at).and_then(Option::take).ok_or(NO_SINK)
}

/// A source that has failed already fails the run before the container does anything.
fn refuse_broken_sources(live: &mut Live) -> Result<(), Cause> {
    while let Some(turn) = live.transfers.turn_now() {
        if let Turn::Failed { transfer, error } = turn {
            let label = live.transfers.label(transfer);
            return Err(Cause::Transfer { label, source: Box::new(error) });
        }
    }
    Ok(())
}
