//! What a transfer tells while it goes on and when it is over.

use std::time::Instant;

use crate::pump::carrier::Carrier;
use crate::pump::error::TransferError;

/// Told to the callback of [`Pump::flow`](super::Pump::flow), in a worker's thread: return quickly.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Bytes have arrived; at most ten times a second.
    Advanced {
        /// The caller's number of the transfer.
        id: usize,
        /// Bytes that the sink has taken, over all readings.
        bytes: u64,
        /// Bytes that one reading has, when the source says.
        total: Option<u64>,
    },
    /// The first reader of its FIFO has come. Until then the FIFO is filled, and `Advanced` says so.
    Opened {
        /// The caller's number of the transfer.
        id: usize,
    },
    /// It failed. A FIFO that the container reads stays open: kill the container and only then
    /// call [`Flow::container_exited`](super::Flow::container_exited) or
    /// [`Flow::cancel`](super::Flow::cancel), after which `Ended` follows.
    Failed {
        /// The caller's number of the transfer.
        id: usize,
        /// Why.
        error: TransferError,
    },
    /// Its sink takes no more, and what still comes of the container's output is thrown away.
    Refused {
        /// The caller's number of the transfer.
        id: usize,
    },
    /// The connection of the container's output is over, and its end may not be the output's. Another may take
    /// its place; until then, or until the container's exit if it is orderly, its transfers wait.
    OutputBrokeOff {
        /// How it was over.
        end: OutputEnd,
    },
    /// It is over; nothing more will be told of it.
    Ended {
        /// The caller's number of the transfer.
        id: usize,
        /// What came of it.
        report: TransferReport,
    },
}

/// How the connection of a container's output was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputEnd {
    /// Between two pieces: nothing is missing if the container has exited.
    Orderly,
    /// Between two pieces, but it came together with bytes, and a second or more after our last look: whoever sent
    /// them may have lost its patience with us, and thrown away what was to follow. Or nothing was sent for so long.
    Late {
        /// When the end was read.
        at: Instant,
    },
    /// In the middle of a piece, or by an error, or by silence.
    Torn,
}

/// What came of a transfer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TransferReport {
    /// Bytes that the sink took, over all readings. What a reader left in a FIFO is not counted,
    /// unless our end was closed already: [`Finish::Complete`] is that the FIFO had every byte.
    pub bytes: u64,
    /// From its beginning to its last byte; into a FIFO, from the coming of its first reader.
    pub seconds: f64,
    /// How the bytes travelled last.
    pub carrier: Carrier,
    /// How often the source broke off and went on.
    pub resumed: u32,
    /// Whether it was resumed from a server that does not say which version of the file it sends, or fetched from
    /// it over several connections, and nothing else has shown it to be one file: it may have changed in between.
    pub is_unchecked: bool,
    /// Whether its last reading has the sum that its source was to have, from its first byte on.
    pub is_checked: bool,
    /// How often its FIFO was read, or would have been.
    pub readings: u32,
    /// How it ended.
    pub finish: Finish,
}

/// How a transfer, or its last reading, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finish {
    /// The sink has everything.
    Complete,
    /// The sink would take no more: its reader left early.
    Refused,
    /// Nobody opened the FIFO.
    NotOpened,
    /// The container exited and its output did not end; what had come was delivered.
    TimedOut,
    /// Some of the container's output is missing, or may be; what had come was delivered.
    Incomplete,
    /// It was told to stop.
    Cancelled,
    /// [`Notice::Failed`] has said why.
    Failed,
}

impl Finish {
    /// The report's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::NotOpened => "not_opened",
            Self::TimedOut => "timed_out",
            Self::Incomplete => "incomplete",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}
