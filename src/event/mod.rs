//! What a run tells the world while it goes on.
//!
//! The engine never prints. It calls an [`EventSink`], from whichever thread the event happened in, and
//! says which run it is: many runs may share one sink. What moves bytes has a [`TransferId`], whether it is
//! a transfer, a download into a volume or an upload; the `ledger` of the run gives it. The command draws
//! bars with the events.

mod id;
mod ledger;

use std::sync::Arc;
use std::time::Duration;

pub use self::id::{BadRunId, RunId, TransferId};
pub(crate) use self::ledger::Ledger;
pub use crate::pump::Finish;

/// Takes events. Called from several threads, also from those that move bytes: return quickly.
///
/// A closure with these arguments is one.
pub trait EventSink: Send + Sync {
    /// Told of one event of a run.
    fn event(&self, run: &RunId, event: &Event);
}

impl<F: Fn(&RunId, &Event) + Send + Sync> EventSink for F {
    fn event(&self, run: &RunId, event: &Event) {
        self(run, event);
    }
}

impl EventSink for Box<dyn EventSink> {
    fn event(&self, run: &RunId, event: &Event) {
        (**self).event(run, event);
    }
}

impl EventSink for Arc<dyn EventSink> {
    fn event(&self, run: &RunId, event: &Event) {
        (**self).event(run, event);
    }
}

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A phase began.
    PhaseStarted(Phase),
    /// A phase is over.
    PhaseEnded(Phase, Duration),
    /// The engine says how a pull goes on.
    Pull(PullProgress),
    /// The container exists.
    ContainerCreated {
        /// Its id, 64 hexadecimal digits.
        id: String,
        /// Its name.
        name: String,
    },
    /// The container runs.
    ContainerStarted {
        /// Its id.
        id: String,
    },
    /// The container is over.
    ContainerExited {
        /// As the engine reports it.
        exit_code: i64,
    },
    /// A transfer began.
    TransferStarted {
        /// Which one. Downloads and uploads are told in the same way.
        transfer: TransferId,
        /// `<source> → <sink>`, without secrets.
        label: String,
        /// Bytes, when the source says.
        total: Option<u64>,
    },
    /// The container has opened the pipe that a transfer fills. Bytes may have gone into it before: a pipe holds a MiB.
    TransferOpened {
        /// Which one.
        transfer: TransferId,
    },
    /// Bytes have arrived; at most ten times a second and transfer.
    TransferAdvanced {
        /// Which one.
        transfer: TransferId,
        /// Bytes that the sink has taken so far.
        bytes: u64,
        /// Bytes, when the source says.
        total: Option<u64>,
    },
    /// A transfer is over, in whichever way.
    TransferEnded {
        /// Which one.
        transfer: TransferId,
        /// Bytes that the sink took.
        bytes: u64,
        /// How it ended.
        finish: Finish,
    },
    /// The container says how far it is.
    Progress(JobProgress),
    /// Something that the user should know and that does not fail the run.
    Warning(String),
}

/// The phases of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Image, volumes, FIFOs, the container itself.
    Prepare,
    /// Attach and start.
    Start,
    /// Bytes move; the container runs.
    Stream,
    /// The exit, and the bytes still on their way.
    Wait,
    /// Results.
    Collect,
    /// Nothing is left behind.
    CleanUp,
}

impl Phase {
    /// The report's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Start => "start",
            Self::Stream => "stream",
            Self::Wait => "wait",
            Self::Collect => "collect",
            Self::CleanUp => "clean_up",
        }
    }
}

/// One line of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PullProgress {
    /// The layer, when the line is about one.
    pub layer: Option<String>,
    /// The engine's words.
    pub status: String,
    /// Bytes of the layer so far.
    pub current: Option<u64>,
    /// Bytes of the layer.
    pub total: Option<u64>,
}

/// How far a container is, in its own words; what it did not say is not there.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct JobProgress {
    /// What `current` will be in the end.
    pub total: Option<f64>,
    /// How far it is.
    pub current: Option<f64>,
    /// What it does.
    pub message: Option<String>,
}

/// Throws events away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn event(&self, _: &RunId, _: &Event) {}
}
