//! A run's transfers: which have begun, how they ended, what the pump says of them.
//!
//! A transfer into an item of Girder goes on behind the pump: its upload settles when it is told to
//! [`keep`](Transfers::keep) the file, or [`give_up`](Transfers::give_up).

pub(crate) mod downloads;
pub(crate) mod filter_progress;
pub(crate) mod host_file;
pub(crate) mod listeners;
pub(crate) mod progress_pipe;
pub(crate) mod relay;
pub(crate) mod replaced;
pub(crate) mod sinks;
pub(crate) mod sources;
pub(crate) mod split;
mod teed;
pub(crate) mod uploads;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::event::{Ledger, TransferId};
use crate::hook::{HookError, Settled, Settlement, StreamUpload, Uploaded};
use crate::plan::PlannedTransfer;
use crate::pump::{
    Attach, Finish, Flow, Notice, OutputEnd, Pump, Sink, Source, Successor, TransferReport,
};
use crate::run::error::Cause;
use crate::run::outcome::TransferRecord;
use crate::spec;

/// All transfers of one run.
pub(crate) struct Transfers {
    flow: Flow,
    sender: UnboundedSender<News>,
    news: UnboundedReceiver<News>,
    tracks: BTreeMap<TransferId, Track>,
    ledger: Ledger,
    is_stdout_closed: bool,
    broke_off: Option<BrokeOff>,
}

/// That the connection of the container's output is over, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BrokeOff {
    pub(crate) at: Instant,
    pub(crate) at_the_clock: SystemTime,
    pub(crate) end: OutputEnd,
    /// The kernel said then that no process of the container was left.
    pub(crate) was_over: bool,
}

/// One transfer's way.
#[derive(Debug)]
struct Track {
    planned: PlannedTransfer,
    state: State,
    upload: Option<Upload>,
    /// Where the bytes are that Girder did not take; why they are not there.
    stays: Option<io::Result<PathBuf>>,
}

/// The upload of a transfer's bytes.
#[derive(Debug)]
enum Upload {
    GoesOn(StreamUpload),
    /// It discards what Girder has.
    GivenUp,
    Arrived(Uploaded),
    Failed,
}

/// What is told to a run.
enum News {
    Pump(Notice),
    Upload { transfer: TransferId, settled: Settlement },
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
pub(crate) enum Turn {
    /// Nothing.
    GoOn,
    /// Kill the container: the pump holds the reader's FIFO open until its exit is told.
    Failed { cause: Cause },
}

/// What a transfer moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moves {
    /// What the program is to read.
    Inputs,
    /// Data out of the container: somebody will take it for all.
    Results,
    /// What people read.
    Words,
}

impl Transfers {
    /// Tracks `planned`; nothing moves yet.
    pub(crate) fn new(pump: &Pump, planned: &[PlannedTransfer], ledger: Ledger) -> Self {
        // The pump's threads never wait for us.
        let (sender, news) = unbounded_channel();
        let told = sender.clone();
        let flow = pump.flow(Arc::new(move |notice| {
            // A run that is over wants no notices.
            let _ = told.send(News::Pump(notice));
        }));
        let track = |planned: &PlannedTransfer| {
            let planned = planned.clone();
            (ledger.next_id(), Track { planned, state: State::Planned, upload: None, stays: None })
        };
        let tracks = planned.iter().map(track).collect();
        Self { flow, sender, news, tracks, ledger, is_stdout_closed: false, broke_off: None }
    }

    /// Their ids, in the plan's order.
    pub(crate) fn ids(&self) -> Vec<TransferId> {
        self.tracks.keys().copied().collect()
    }

    /// Begins a transfer. `total` is what the source's owner says of its size.
    pub(crate) fn begin(
        &mut self,
        transfer: TransferId,
        source: Source,
        sink: Sink,
        total: Option<u64>,
    ) -> Result<(), Cause> {
        let label = self.label(transfer);
        self.flow
            .add(transfer.number(), source, sink)
            .map_err(|error| Cause::Begun { label, source: Box::new(error) })?;
        self.begun(transfer, total);
        Ok(())
    }

    /// Begins those of the container's two streams.
    pub(crate) fn begin_streams(
        &mut self,
        attach: Attach,
        stdout: (TransferId, Sink),
        stderr: (TransferId, Sink),
    ) -> Result<(), Cause> {
        let both = [stdout.0, stderr.0];
        let label = self.label(stdout.0);
        self.flow
            .attach(attach, (stdout.0.number(), stdout.1), (stderr.0.number(), stderr.1))
            .map_err(|error| Cause::Begun { label, source: Box::new(error) })?;
        both.into_iter().for_each(|transfer| self.begun(transfer, None));
        Ok(())
    }

    fn begun(&mut self, transfer: TransferId, total: Option<u64>) {
        let label = self.label(transfer);
        if let Some(track) = self.tracks.get_mut(&transfer) {
            track.state = State::Begun;
        }
        let total = total.or_else(|| self.size(transfer));
        self.ledger.began(transfer, label, total);
    }

    /// Waits for the pump to say something. May be dropped and asked again.
    pub(crate) async fn turn(&mut self) -> Turn {
        match self.news.recv().await {
            Some(news) => self.told(news),
            // We hold a sender, so this does not happen.
            None => std::future::pending().await,
        }
    }

    /// What the pump has said already.
    pub(crate) fn turn_now(&mut self) -> Option<Turn> {
        self.news.try_recv().ok().map(|news| self.told(news))
    }

    fn told(&mut self, news: News) -> Turn {
        let notice = match news {
            News::Pump(notice) => notice,
            News::Upload { transfer, settled } => return self.settled(transfer, settled),
        };
        match notice {
            Notice::Advanced { id, bytes, total } => {
                let id = TransferId::new(id);
                self.ledger.advanced(id, bytes, total.or_else(|| self.size(id)));
            }
            Notice::Opened { id } => self.ledger.opened(TransferId::new(id)),
            Notice::Refused { id } => self.refused(TransferId::new(id)),
            Notice::Ended { id, report } => {
                let id = TransferId::new(id);
                if report.finish == Finish::Refused {
                    self.refused(id);
                }
                self.ledger.ended(id, report.bytes, report.finish);
                if let Some(track) = self.tracks.get_mut(&id) {
                    track.state = State::Ended(report);
                }
            }
            Notice::OutputBrokeOff { end } => {
                let (at, at_the_clock) = (Instant::now(), SystemTime::now());
                self.broke_off = Some(BrokeOff { at, at_the_clock, end, was_over: false });
            }
            Notice::Failed { id, error } => {
                let label = self.label(TransferId::new(id));
                let source = Box::new(error);
                return Turn::Failed { cause: Cause::Transfer { label, source } };
            }
        }
        Turn::GoOn
    }

    fn refused(&mut self, transfer: TransferId) {
        let sink = self.tracks.get(&transfer).map(|track| &track.planned.sink);
        self.is_stdout_closed |= matches!(sink, Some(spec::Sink::HostStdOut));
    }

    /// Whether nobody takes what goes to our standard output any more, as far as is known.
    pub(crate) fn is_stdout_closed(&self) -> bool {
        self.is_stdout_closed
    }

    fn settled(&mut self, transfer: TransferId, settled: Settlement) -> Turn {
        let label = self.label(transfer);
        let Some(track) = self.tracks.get_mut(&transfer) else { return Turn::GoOn };
        track.stays = settled.stays;
        match settled.ended {
            Ok(uploaded) => track.upload = Some(Upload::Arrived(uploaded)),
            // Only those are that were given up.
            Err(HookError::Cancelled { .. }) => track.upload = None,
            Err(error) => {
                track.upload = Some(Upload::Failed);
                return Turn::Failed { cause: Cause::Upload { label, source: Box::new(error) } };
            }
        }
        Turn::GoOn
    }

    /// What the job says of the sink's size.
    fn size(&self, transfer: TransferId) -> Option<u64> {
        match self.tracks.get(&transfer)?.planned.sink {
            spec::Sink::GirderItem { size, .. } => size,
            _ => None,
        }
    }

    /// What tells this run how the upload of a transfer's bytes settles.
    pub(crate) fn settler(&self, transfer: TransferId) -> Settled {
        let sender = self.sender.clone();
        Box::new(move |settled| {
            // A run that is over wants no news.
            let _ = sender.send(News::Upload { transfer, settled });
        })
    }

    /// The upload of a transfer's bytes has begun.
    pub(crate) fn uploads(&mut self, transfer: TransferId, upload: StreamUpload) {
        if let Some(track) = self.tracks.get_mut(&transfer) {
            track.upload = Some(Upload::GoesOn(upload));
        }
    }

    /// The transfers whose uploads wait for what becomes of them.
    pub(crate) fn uploading(&self) -> Vec<TransferId> {
        let goes_on = |track: &Track| matches!(track.upload, Some(Upload::GoesOn(_)));
        self.tracks.iter().filter(|(_, track)| goes_on(track)).map(|(id, _)| *id).collect()
    }

    /// The upload of a transfer's bytes is to become a file. See [`StreamUpload::keep`].
    pub(crate) fn keep(&self, transfer: TransferId) {
        if let Some(Upload::GoesOn(upload)) =
            self.tracks.get(&transfer).and_then(|track| track.upload.as_ref())
        {
            upload.keep();
        }
    }

    /// The upload of a transfer's bytes is not to become a file.
    pub(crate) fn give_up(&mut self, transfer: TransferId) {
        if let Some(Track { upload: Some(upload @ Upload::GoesOn(_)), .. }) =
            self.tracks.get_mut(&transfer)
        {
            *upload = Upload::GivenUp;
        }
    }

    /// What Girder did not take, with its item and name; each is told once.
    pub(crate) fn staying(&mut self) -> Vec<(String, String, io::Result<PathBuf>)> {
        let staying = self.tracks.values_mut().filter_map(|track| match &track.planned.sink {
            spec::Sink::GirderItem { item_id, name, .. } => {
                Some((item_id.clone(), name.clone(), track.stays.take()?))
            }
            _ => None,
        });
        staying.collect()
    }

    /// Whether no upload goes on, or is being given up.
    pub(crate) fn have_settled(&self) -> bool {
        !self.tracks.values().any(Track::is_settling)
    }

    /// What has become a file in Girder.
    pub(crate) fn arrived(&self) -> impl Iterator<Item = &Uploaded> {
        self.tracks.values().filter_map(|track| match &track.upload {
            Some(Upload::Arrived(uploaded)) => Some(uploaded),
            _ => None,
        })
    }

    /// Whether every transfer that began has ended.
    pub(crate) fn have_ended(&self) -> bool {
        !self.tracks.values().any(|track| matches!(track.state, State::Begun))
    }

    /// The labels of those that have begun and not ended, or whose uploads have not settled.
    pub(crate) fn under_way(&self) -> Vec<String> {
        let goes_on = |track: &&Track| matches!(track.state, State::Begun) || track.is_settling();
        let begun = self.tracks.values().filter(goes_on);
        begun.map(|track| track.planned.to_string()).collect()
    }

    /// How a transfer ended.
    pub(crate) fn report(&self, transfer: TransferId) -> Option<&TransferReport> {
        match &self.tracks.get(&transfer)?.state {
            State::Ended(report) => Some(report),
            State::Planned | State::Begun => None,
        }
    }

    /// Whether the connection of the container's output is over, and nothing has taken its place.
    pub(crate) fn output_broke_off(&self) -> Option<BrokeOff> {
        self.broke_off
    }

    /// The connection of the container's output is over, and so was the container just then.
    pub(crate) fn output_broke_off_at_the_end(&mut self) {
        if let Some(broke_off) = &mut self.broke_off {
            broke_off.was_over = true;
        }
    }

    /// See [`Flow::output_goes_on`].
    pub(crate) fn output_goes_on(&mut self, successor: Successor) {
        self.broke_off = None;
        self.flow.output_goes_on(successor);
    }

    /// See [`Flow::output_lacks`].
    pub(crate) fn output_lacks(&self) {
        self.flow.output_lacks();
    }

    /// See [`Flow::output_was_all`].
    pub(crate) fn output_was_all(&mut self) {
        self.broke_off = None;
        self.flow.output_was_all();
    }

    /// See [`Flow::output_given_up`].
    pub(crate) fn gives_output_up(&mut self) {
        self.broke_off = None;
        self.flow.output_given_up();
    }

    /// How those that have ended did, and what they move.
    pub(crate) fn ends(&self) -> Vec<(String, Finish, Moves)> {
        let ended = |track: &Track| match &track.state {
            State::Ended(report) => Some((track.planned.to_string(), report.finish, track.moves())),
            State::Planned | State::Begun => None,
        };
        self.tracks.values().filter_map(ended).collect()
    }

    /// See [`Flow::container_exited`].
    pub(crate) fn container_exited(&self) {
        self.flow.container_exited();
    }

    /// See [`Flow::cancel`].
    pub(crate) fn cancel(&self) {
        self.flow.cancel();
    }

    /// `<source> → <sink>`.
    pub(crate) fn label(&self, transfer: TransferId) -> String {
        self.tracks.get(&transfer).map(|track| track.planned.to_string()).unwrap_or_default()
    }

    /// Those that ended, for the report.
    pub(crate) fn records(&self) -> Vec<TransferRecord> {
        let record = |(id, track): (&TransferId, &Track)| match &track.state {
            State::Ended(report) => Some(TransferRecord {
                id: *id,
                source: track.planned.source.to_string(),
                sink: track.planned.sink.to_string(),
                bytes: report.bytes,
                seconds: report.seconds,
                carrier: report.carrier,
                resumed: report.resumed,
                checked: report.is_checked,
                finish: track.finish(report),
            }),
            State::Planned | State::Begun => None,
        };
        self.tracks.iter().filter_map(record).collect()
    }
}

impl Track {
    /// An upload that failed refuses what comes.
    fn finish(&self, report: &TransferReport) -> Finish {
        match self.upload {
            Some(Upload::Failed) => Finish::Failed,
            _ => report.finish,
        }
    }

    fn moves(&self) -> Moves {
        match self.planned.sink {
            spec::Sink::Fifo(_) => Moves::Inputs,
            spec::Sink::HostFile { .. }
            | spec::Sink::ChunkedPost { .. }
            | spec::Sink::GirderItem { .. } => Moves::Results,
            spec::Sink::HostStdOut | spec::Sink::HostStdErr | spec::Sink::Progress => Moves::Words,
        }
    }

    fn is_settling(&self) -> bool {
        matches!(self.upload, Some(Upload::GoesOn(_) | Upload::GivenUp))
    }
}

impl std::fmt::Debug for Transfers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfers").field("tracks", &self.tracks).finish_non_exhaustive()
    }
}
