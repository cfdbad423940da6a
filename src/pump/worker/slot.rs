//! What a worker is told, and what it keeps for each thing that has turns.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use crossbeam_channel::Sender;
use tracing::Span;

use crate::pump::carrier::Load;
use crate::pump::carrier::spool::Spool;
use crate::pump::driver::{Driver, Notify};
use crate::pump::end::{Sink, Source};
use crate::pump::error::{PumpError, TransferError};
use crate::pump::far::Far;
use crate::pump::far::fetch::{Fetch, Ticket};
use crate::pump::far::sums::Sums;
use crate::pump::fifo::ears::Ears;
use crate::pump::fifo::input::InputFifo;
use crate::pump::line::{Line, Supply};
use crate::pump::post::PostSink;
use crate::pump::shared::Shared;
use crate::pump::sink;
use crate::pump::source::{self, FifoSource, FileSource};
use crate::pump::streams::{Attach, Streams, Successor};
use crate::pump::summer::Summer;
use crate::pump::turn::Tokens;
use crate::sys::pipe::{self, PIPE_BYTES};

/// Numbers the slots of a worker. None is used twice, so that what comes late finds nobody.
pub(crate) type Key = u64;

/// What a worker is told.
pub(crate) enum Command {
    Add(Box<NewTransfer>, Sender<Result<(), PumpError>>),
    Attach { attach: Attach, outlets: Box<[NewTransfer; 2]>, reply: Sender<Result<(), PumpError>> },
    OutputGoesOn(u64, Box<Successor>),
    OutputLacks(u64),
    OutputWasAll(u64),
    OutputGivenUp(u64),
    ContainerExited(u64),
    Cancel(u64),
    Resolved(Key, Ticket, io::Result<Vec<SocketAddr>>),
    Opened(Key, io::Result<OwnedFd>),
    Stop,
}

/// A transfer on its way to its worker.
pub(crate) struct NewTransfer {
    pub(crate) flow: u64,
    pub(crate) id: usize,
    pub(crate) source: NewSource,
    pub(crate) sink: Sink,
    pub(crate) notify: Notify,
    pub(crate) span: Span,
}

/// Where its bytes come from.
pub(crate) enum NewSource {
    Given(Source),
    /// The container's output, which spools into this folder.
    Fed(std::path::PathBuf),
}

impl NewTransfer {
    /// Opens the ends.
    pub(crate) fn into_driver(
        self,
        tokens: Tokens,
        ears: Option<&Rc<Ears>>,
        summer: &Summer,
    ) -> Result<Driver, PumpError> {
        let pulled = |source| Supply::Pulled(source, Load::Copy(None));
        let supply = match self.source {
            NewSource::Given(Source::Http { client, get, size, sum }) => {
                let sums = sum.map(|sum| Sums::new(sum, summer.clone()));
                let far = Far::new(Fetch::new(client, get, size), tokens.source).with_sums(sums);
                pulled(source::Source::Far(Box::new(far)))
            }
            NewSource::Given(Source::File(file)) => pulled(source::Source::File(
                FileSource::new(file).map_err(PumpError::PrepareSource)?,
            )),
            NewSource::Given(Source::Pipe(pipe)) => pulled(source::Source::Fifo(
                source::anew(&pipe)
                    .and_then(FifoSource::of_pipe)
                    .map_err(PumpError::PrepareSource)?,
            )),
            NewSource::Given(Source::Descriptor(descriptor)) => {
                pulled(source::Source::of_descriptor(descriptor).map_err(PumpError::PrepareSource)?)
            }
            NewSource::Given(Source::Fifo(fifo)) => {
                let failed = |error| PumpError::OpenFifo(fifo.made_at(), error);
                let reader = fifo.open_reader().map_err(failed)?;
                pipe::resize(&reader, PIPE_BYTES).map_err(failed)?;
                pulled(source::Source::Fifo(FifoSource::new(reader)))
            }
            NewSource::Fed(folder) => Supply::Fed(Spool::new(folder)),
        };
        let sink = match self.sink {
            Sink::Fifo(fifo) => {
                let ours = fifo.clone();
                let held = InputFifo::hold(fifo, ears);
                let held = held.map_err(|error| PumpError::OpenFifo(ours.made_at(), error))?;
                sink::Sink::Fifo(Box::new(held))
            }
            Sink::File(file) => sink::Sink::File(file),
            Sink::Inherited(descriptor) => {
                sink::Sink::Shared(Shared::new(descriptor).map_err(PumpError::PrepareSink)?)
            }
            Sink::Post { client, post } => sink::Sink::Post(Box::new(
                PostSink::new(&client, post).map_err(PumpError::Request)?,
            )),
            Sink::Listener(listener) => sink::Sink::Listener(sink::Listener(listener)),
        };
        Ok(Driver::new(Line::new(self.id, supply, sink), self.notify, tokens))
    }
}

/// Something that has turns.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) flow: u64,
    pub(crate) work: Work,
    /// Of streams: the transfers of standard output and standard error.
    pub(crate) outlets: [Key; 2],
    pub(crate) is_queued: bool,
    /// What its turns log belongs to it.
    pub(crate) span: Span,
}

/// What it does in them.
pub(crate) enum Work {
    Driver(Box<Driver>),
    /// With who is told when the connection breaks off.
    Streams(Box<Streams>, Notify),
}

impl Slot {
    pub(crate) fn new(flow: u64, work: Work, span: Span) -> Self {
        Self { flow, work, outlets: [0; 2], is_queued: false, span }
    }
}

impl Work {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Driver(driver) => driver.deadline(),
            Self::Streams(streams, _) => streams.deadline(),
        }
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Driver(driver) => driver.fmt(f),
            Self::Streams(..) => f.write_str("Streams"),
        }
    }
}

impl PumpError {
    /// What beginning a transfer failed with.
    pub(crate) fn from_begin(error: TransferError) -> Self {
        match error {
            TransferError::Fetch(error) => Self::Request(error),
            TransferError::Register(error) => Self::Register(error),
            other => Self::Begin(other),
        }
    }
}
