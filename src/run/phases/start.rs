//! The second phase: the container's outputs are taken hold of, then it starts.
//!
//! The order loses nothing: output FIFOs, attach, `wait?condition=next-exit`, start. See the
//! engine's chapter, [`docker`](crate::docker).

use crate::docker::{Client, ContainerId, DockerError, ExitWait, StartFailure};
use crate::event::Event;
use crate::guard::{self, Watched};
use crate::plan::FifoRef;
use crate::pump::{Attach, Source};
use crate::run::cancel::Level;
use crate::run::container::absence::patiently;
use crate::run::container::deaf::heard;
use crate::run::container::sight::Sights;
use crate::run::container::stop::remove;
use crate::run::container::usage::Usage;
use crate::run::end::Stop;
use crate::run::error::Cause;
use crate::run::live::{Live, MadeContainer};
use crate::run::phases::prepare::Prepared;
use crate::run::transfers::Turn;
use crate::run::transfers::listeners::Listeners;
use crate::run::transfers::sinks::Sinks;
use crate::run::transfers::split::Frames;
use crate::spec;

/// The container runs.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) engine: Client,
    pub(crate) container: ContainerId,
    pub(crate) exit: ExitWait,
}

impl Prepared {
    /// Takes hold of every output, and starts the container.
    ///
    /// A start that is under way is not given up when the run is cancelled, unless somebody
    /// insists: the container may run already, and is then to be stopped with its grace period.
    pub(crate) async fn start(mut self, live: &mut Live) -> Result<Started, Stop> {
        let cancellation = live.cancellation.clone();
        begin_outputs(live, &mut self.sinks)?;
        loop {
            let held = cancellation.unless(Level::Asked, self.take_hold(live)).await??;
            match cancellation.unless(Level::Insisted, self.begin(live, held)).await?? {
                Begun::Runs(exit) => {
                    let Self { engine, container, .. } = self;
                    return Ok(Started { engine, container, exit });
                }
                Begun::Refused(error) => {
                    cancellation.go_on()?;
                    self.make_another(live, error).await?;
                }
            }
            cancellation.go_on()?;
        }
    }

    async fn take_hold(&mut self, live: &mut Live) -> Result<Held, Cause> {
        let next_exit =
            async { self.engine.wait_next_exit(&self.container).await.map_err(Cause::Exit) };
        let attach = attach(&self.engine, &self.container, live.listeners());
        let sights = Sights::choose(live);
        let look = sights.look(&self.engine, &self.container);
        let held = tokio::try_join!(attach, next_exit, look);
        for marker in std::mem::take(&mut live.made.markers) {
            marker.remove().map_err(Cause::Volume)?;
        }
        let (attached, exit, ()) = held?;
        let mut attached = Some(attached);
        // The streams of a container that may have to be made again cannot begin before it runs.
        if self.recipe.attempts.is_last() {
            begin_streams(live, attached.take(), &mut self.sinks)?;
        }
        refuse_broken_sources(live)?;
        Ok(Held { attached, exit })
    }

    async fn begin(&mut self, live: &mut Live, held: Held) -> Result<Begun, Cause> {
        // Both before it is done: a start that is given up halfway may succeed all the same.
        let has_inputs = !live.made.fifos.is_empty();
        live.made.watched = has_inputs.then(|| watch(&self.engine, &self.container)).flatten();
        live.made.container = MadeContainer::Started(self.container.clone());
        let start = self.engine.start(&self.container);
        if let Err(error) = heard(&self.engine, &live.cancellation, start).await
            && !self.has_started(live, &error).await
        {
            if !error.is_transient() {
                live.made.container = MadeContainer::Created(self.container.clone());
            }
            return Ok(Begun::Refused(error));
        }
        if held.attached.is_some() {
            begin_streams(live, held.attached, &mut self.sinks)?;
        }
        live.made.usage = Usage::of(&self.engine, &self.container);
        live.tell(&Event::ContainerStarted { id: self.container.to_string() });
        Ok(Begun::Runs(held.exit))
    }

    /// Whether the container was started although the engine went away before it said so.
    async fn has_started(&self, live: &Live, error: &DockerError) -> bool {
        if !error.is_absence() {
            return false;
        }
        let inspect = || self.engine.inspect(&self.container);
        let state = patiently(&self.engine, &live.cancellation, inspect).await;
        state.is_ok_and(|state| state.running || state.finished.is_some())
    }

    /// Makes the container again, otherwise, if there is another way.
    async fn make_another(&mut self, live: &mut Live, error: DockerError) -> Result<(), Cause> {
        let bytes = live.plan.bytes_with(&live.plan.resolve(&live.resolved));
        self.recipe.refused(live, error, |source| match source.is_too_long_for_a_program() {
            true => Cause::TooMuch { bytes, source },
            false => Cause::Start(source),
        })?;
        let removal = remove(&self.engine, &self.container);
        heard(&self.engine, &live.cancellation, removal).await.map_err(Cause::Remove)?;
        self.container = self.recipe.create(live, &self.engine).await?;
        Ok(())
    }
}

/// Has the guard kill it, should we die while it reads from us.
fn watch(engine: &Client, container: &ContainerId) -> Option<Watched> {
    guard::watch(&engine.endpoint().to_string(), container.as_str())
}

/// The outputs, taken hold of.
struct Held {
    /// The streams, if they have not begun.
    attached: Option<Attach>,
    exit: ExitWait,
}

/// What came of a start.
enum Begun {
    Runs(ExitWait),
    Refused(DockerError),
}

fn begin_outputs(live: &mut Live, sinks: &mut Sinks) -> Result<(), Cause> {
    for (id, transfer) in live.transfers.ids().into_iter().zip(&live.plan.transfers) {
        let spec::Source::Fifo(fifo) = &transfer.source else { continue };
        let fifo = live.made.fifos.get(fifo.at).ok_or(Cause::Bug("a FIFO was not made"))?;
        let source = Source::Fifo(fifo.share());
        live.transfers.begin(id, source, sinks.take(id)?, None)?;
    }
    Ok(())
}

async fn attach(
    engine: &Client,
    container: &ContainerId,
    listeners: Listeners,
) -> Result<Attach, Cause> {
    let attached = engine.attach_without_tty(container).await.map_err(|error| {
        // Podman makes the container's first process here, and not at the start.
        match error.start_failure() {
            StartFailure::Other => Cause::Attach(error),
            StartFailure::NotFound | StartFailure::NotExecutable => Cause::Start(error),
        }
    })?;
    if !attached.framed {
        return Err(Cause::Bug("a container without a terminal whose streams are not framed"));
    }
    let split = Box::new(Frames::new(listeners));
    Ok(Attach::new(attached.socket, attached.read_ahead, split).that_may_go_on())
}

fn begin_streams(live: &mut Live, attach: Option<Attach>, sinks: &mut Sinks) -> Result<(), Cause> {
    let mut stream = |source: spec::Source<FifoRef>| {
        let mut transfers = live.transfers.ids().into_iter().zip(&live.plan.transfers);
        let found = transfers.find(|(_, transfer)| transfer.source == source);
        let (id, _) = found.ok_or(Cause::Bug("a stream of the container that goes nowhere"))?;
        Ok::<_, Cause>((id, sinks.take(id)?))
    };
    let stdout = stream(spec::Source::ContainerStdOut)?;
    let stderr = stream(spec::Source::ContainerStdErr)?;
    let attach = attach.ok_or(Cause::Bug("the container was not attached to"))?;
    live.transfers.begin_streams(attach, stdout, stderr)
}

/// A source that has failed already fails the run before the container does anything.
fn refuse_broken_sources(live: &mut Live) -> Result<(), Cause> {
    while let Some(turn) = live.transfers.turn_now() {
        if let Turn::Failed { cause } = turn {
            return Err(cause);
        }
    }
    Ok(())
}
