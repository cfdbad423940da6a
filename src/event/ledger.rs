//! The ledger of one run: tells its events, and gives everything that it moves a number.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Event, EventSink, Finish, RunId, TransferId};

/// Transfers, downloads and uploads begin and end here. Cheap to clone; every clone is the same ledger.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Inner>);

struct Inner {
    run: RunId,
    events: Arc<dyn EventSink>,
    /// How many ids were given.
    given: AtomicUsize,
}

impl Ledger {
    /// The ledger of `run`; `events` is told.
    pub(crate) fn new(run: RunId, events: Arc<dyn EventSink>) -> Self {
        Self(Arc::new(Inner { run, events, given: AtomicUsize::new(0) }))
    }

    /// The run's id.
    pub(crate) fn run(&self) -> &RunId {
        &self.0.run
    }

    /// Tells an event.
    pub(crate) fn tell(&self, event: &Event) {
        self.0.events.event(&self.0.run, event);
    }

    /// The id of something that will be moved. [`began`](Self::began) tells when it begins.
    pub(crate) fn next_id(&self) -> TransferId {
        TransferId::new(self.0.given.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells that something has begun that has its id already.
    pub(crate) fn began(&self, transfer: TransferId, label: String, total: Option<u64>) {
        self.tell(&Event::TransferStarted { transfer, label, total });
    }

    /// Gives an id to something that begins now.
    pub(crate) fn begin(&self, label: String, total: Option<u64>) -> TransferId {
        let transfer = self.next_id();
        self.began(transfer, label, total);
        transfer
    }

    /// Tells that somebody reads the pipe that something goes into.
    pub(crate) fn opened(&self, transfer: TransferId) {
        self.tell(&Event::TransferOpened { transfer });
    }

    /// Tells how far something is.
    pub(crate) fn advanced(&self, transfer: TransferId, bytes: u64, total: Option<u64>) {
        self.tell(&Event::TransferAdvanced { transfer, bytes, total });
    }

    /// Tells that something is over.
    pub(crate) fn ended(&self, transfer: TransferId, bytes: u64, finish: Finish) {
        self.tell(&Event::TransferEnded { transfer, bytes, finish });
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("run", &self.0.run).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn no_two_have_one_id_and_every_event_names_the_run() {
        let told: Arc<Mutex<Vec<(RunId, Event)>>> = Arc::default();
        let sink = {
            let told = Arc::clone(&told);
            move |run: &RunId, event: &Event| {
                told.lock().unwrap().push((run.clone(), event.clone()))
            }
        };
        let run = RunId::random();
        let ledger = Ledger::new(run.clone(), Arc::new(sink));
        let planned = ledger.next_id();
        let download = ledger.begin("d".to_owned(), Some(1));
        let upload = ledger.begin("u".to_owned(), None);
        ledger.began(planned, "t".to_owned(), None);
        ledger.ended(download, 1, Finish::Complete);
        assert_eq!([planned, download, upload].map(TransferId::number), [0, 1, 2]);
        let told = told.lock().unwrap();
        assert!(told.iter().all(|(of, _)| *of == run));
        let started = |event: &Event| match event {
            Event::TransferStarted { transfer, .. } => Some(transfer.number()),
            _ => None,
        };
        let started: Vec<_> = told.iter().filter_map(|(_, event)| started(event)).collect();
        assert_eq!(started, [1, 2, 0]);
    }
}
