//! What can go wrong with a measurement.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::case::Case;
use crate::http::HttpError;
use crate::pump::{PumpError, TransferError};
use crate::volume::VolumeError;

/// Why nothing was measured, or not everything.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// What was asked for makes no sense together.
    #[error("{0}")]
    Unfit(String),
    /// The folder for files and FIFOs, or something in it.
    #[error("cannot prepare {} for the measurement", path.display())]
    Prepare {
        /// What it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder of the measurement cannot be made, or stays.
    #[error("the folder of the measurement")]
    Folder(#[source] VolumeError),
    /// There is not enough room.
    #[error("{} has {free} bytes left, and the measurement needs {needed}", folder.display())]
    NoSpace {
        /// Where files would be written.
        folder: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A child process could not be started.
    #[error("cannot start {name}")]
    Spawn {
        /// What it is for.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A child process said what is wrong.
    #[error("cannot measure {}: {name}: {message}", case.as_str())]
    Child {
        /// What was being measured.
        case: Case,
        /// What the child is for.
        name: &'static str,
        /// What it said.
        message: String,
    },
    /// The bytes that came are not those that were sent.
    #[error("{}: {found} bytes have come, {expected} were sent", case.as_str())]
    Bytes {
        /// What was being measured.
        case: Case,
        /// What was sent.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// `strace` has not said how many calls there were.
    #[error("strace has counted no system calls; is it allowed to trace?")]
    SystemCalls,
    /// The picture could not be drawn.
    #[error("cannot draw the picture: {0}")]
    Plot(String),
    /// It was told to stop.
    #[error("cancelled")]
    Cancelled,
}

impl BenchError {
    /// Whether it was the caller's mistake.
    pub fn is_bad_usage(&self) -> bool {
        matches!(self, Self::Unfit(_))
    }
}

/// Why a child process cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The process that started it does not speak to it any more, or nonsense.
    #[error("cannot speak with the measuring process")]
    Talk(#[source] io::Error),
    /// A system call.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
    /// A file, a FIFO, a socket.
    #[error("cannot open {}", .0.display())]
    Open(PathBuf, #[source] io::Error),
    /// The certificate.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// The server's TLS.
    #[error("cannot serve TLS")]
    Tls(#[source] rustls::Error),
    /// The client.
    #[error("cannot ask for the source")]
    Http(#[source] HttpError),
    /// The URL of a source.
    #[error("the order has no usable URL")]
    Url,
    /// The pump refuses.
    #[error("cannot begin a transfer")]
    Pump(#[source] PumpError),
    /// The pump fails.
    #[error("a transfer failed")]
    Transfer(#[source] TransferError),
    /// A transfer has ended otherwise than with everything.
    #[error("a transfer ended as {0}")]
    Finish(&'static str),
    /// Files are brought by the command, and not by a pump alone.
    #[error("the order is none for a pump")]
    NotForPump,
    /// The command as it is used.
    #[error("gantline {command} ended with {code}: {message}")]
    Run {
        /// Which.
        command: &'static str,
        /// Its exit code, or the signal.
        code: String,
        /// What it said.
        message: String,
    },
    /// The report of the ordinary run.
    #[error("cannot read the report of gantline run: {0}")]
    Report(&'static str),
}
