//! A run's transfers: which have begun, how they ended, what the pump says of them.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::error::Cause;
use super::outcome::TransferRecord;
use super::plan::PlannedTransfer;
use crate::event::{Event, EventSink};
use crate::pump::{Attach, Flow, Notice, Pump, Sink, Source, TransferError, TransferReport};

/// All transfers of one run, by their place in the plan.
pub(super) struct Transfers {
    flow: Flow,
    notices: UnboundedReceiver<Notice>,
    tracks: Vec<Track>,
    events: Arc<dyn EventSink>,
}

/// One transfer's way.
#[derive(Debug)]
struct Track {
    planned: PlannedTransfer,
    state: State,
}

#[derive(Debug)]
enum State {
    Planned,
    Begun,
    Ended(TransferReport),
}

/// What the run has to do about a notice.
#[must_use]
#[derive(Debug)]
pub(super) enum Turn {
    /// Nothing.
    GoOn,
    /// Kill the container: the pump holds the reader's FIFO open until its exit is told.
    Failed { transfer: usize, error: TransferError },
}

impl Transfers {
    /// Tracks `planned`; nothing moves yet.
    pub(super) fn new(
        pump: &Pump,
        planned: &[PlannedTransfer],
        events: Arc<dyn EventSink>,
    ) -> Self {
        // The pump's threads never wait for us.
        let (sender, notices) = unbounded_channel();
        let flow = pump.flow(Arc::new(move |notice| {
            // A run that is over wants no notices.
            let _ = sender.send(notice);
        }));
        let track =
            |planned: &PlannedTransfer| Track { planned: planned.clone(), state: State::Planned };
        Self { flow, notices, tracks: planned.iter().map(track).collect(), events }
    }

    /// Begins a transfer. `total` is what the source's owner says of its size.
    pub(super) fn begin(
        &mut self,
        transfer: usize,
        source: Source,
        sink: Sink,
        total: Option<u64>,
    ) -> Result<(), Cause> {
        let label = self.label(transfer);
        self.flow
            .add(transfer, source, sink)
            .map_err(|error| Cause::Begun { label, source: Box::new(error) })?;
        self.begun(transfer, total);
        Ok(())
    }

    /// Begins those of the container's two streams.
    pub(super) fn begin_streams(
        &mut self,
        attach: Attach,
        stdout: (usize, Sink),
        stderr: (usize, Sink),
    ) -> Result<(), Cause> {
        let places = [stdout.0, stderr.0];
        let label = self.label(stdout.0);
        self.flow
            .attach(attach, stdout, stderr)
            .map_err(|error| Cause::Begun { label, source: Box::new(error) })?;
        places.into_iter().for_each(|transfer| self.begun(transfer, None));
        Ok(())
    }

    fn begun(&mut self, transfer: usize, total: Option<u64>) {
        let label = self.label(transfer);
        if let Some(track) = self.tracks.get_mut(transfer) {
            track.state = State::Begun;
        }
        self.events.event(&Event::TransferStarted { transfer, label, total });
    }

    /// Waits for the pump to say something. May be dropped and asked again.
    pub(super) async fn turn(&mut self) -> Turn {
        match self.notices.recv().await {
            Some(notice) => self.told(notice),
            // The flow holds the sender, so this does not happen before it is dropped.
            None => std::future::pending().await,
        }
    }

    /// What the pump has said already.
    pub(super) fn turn_now(&mut self) -> Option<Turn> {
        self.notices.try_recv().ok().map(|notice| self.told(notice))
    }

    fn told(&mut self, notice: Notice) -> Turn {
        match notice {
            Notice::Advanced { id, bytes, total } => {
                self.events.event(&Event::TransferAdvanced { transfer: id, bytes, total });
            }
            Notice::Ended { id, report } => {
                let (bytes, finish) = (report.bytes, report.finish.as_str());
                self.events.event(&Event::TransferEnded { transfer: id, bytes, finish });
                if let Some(track) = self.tracks.get_mut(id) {
                    track.state = State::Ended(report);
                }
            }
            Notice::Failed { id, error } => return Turn::Failed { transfer: id, error },
        }
        Turn::GoOn
    }

    /// Whether every transfer that began has ended.
    pub(super) fn have_ended(&self) -> bool {
        !self.tracks.iter().any(|track| matches!(track.state, State::Begun))
    }

    /// The labels of those that have begun and not ended.
    pub(super) fn under_way(&self) -> Vec<String> {
        let begun = self.tracks.iter().filter(|track| matches!(track.state, State::Begun));
        begun.map(|track| track.planned.label()).collect()
    }

    /// How a transfer ended.
    pub(super) fn report(&self, transfer: usize) -> Option<&TransferReport> {
        match &self.tracks.get(transfer)?.state {
            State::Ended(report) => Some(report),
            State::Planned | State::Begun => None,
        }
    }

    /// See [`Flow::container_exited`].
    pub(super) fn container_exited(&self) {
        self.flow.container_exited();
    }

    /// See [`Flow::cancel`].
    pub(super) fn cancel(&self) {
        self.flow.cancel();
    }

    /// `<source> → <sink>`.
    pub(super) fn label(&self, transfer: usize) -> String {
        self.tracks.get(transfer).map(|track| track.planned.label()).unwrap_or_default()
    }

    /// Those that ended, for the report.
    pub(super) fn records(&self) -> Vec<TransferRecord> {
        let record = |track: &Track| match &track.state {
            State::Ended(report) => Some(TransferRecord {
                source: track.planned.source_label.clone(),
                sink: track.planned.sink_label.clone(),
                bytes: report.bytes,
                seconds: report.seconds,
                carrier: report.carrier.as_str().to_owned(),
                resumed: report.resumed,
                finish: report.finish.as_str().to_owned(),
            }),
            State::Planned | State::Begun => None,
        };
        self.tracks.iter().filter_map(record).collect()
    }
}

impl std::fmt::Debug for Transfers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfers").field("tracks", &self.tracks).finish_non_exhaustive()
    }
}
