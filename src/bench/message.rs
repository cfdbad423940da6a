//! What the processes of a measurement say to each other: JSON, one value a line, on the standard
//! streams of the children.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::case::{Case, SMALL_FILE};
use super::error::PeerError;

/// What the moving process is to move.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) case: Case,
    /// A URL, for a source or a sink that has one.
    pub(super) url: Option<String>,
    /// The authority of an https URL.
    pub(super) ca_file: Option<PathBuf>,
    /// Where the source file is, and FIFOs and files are made.
    pub(super) folder: PathBuf,
    /// Bytes of each transfer.
    pub(super) size: u64,
    /// Transfers at once.
    pub(super) parallel: usize,
    /// Files, where there are many small ones.
    pub(super) files: usize,
    /// For the ordinary run.
    pub(super) container: Option<Container>,
}

/// What the ordinary run needs beside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Container {
    pub(super) image: String,
    /// The store's API, and the id in it of the file, or of the folder of small ones.
    pub(super) in_girder: Option<(String, String)>,
}

impl Order {
    /// Of all transfers.
    pub(super) fn bytes(&self) -> u64 {
        let (count, bytes) = match self.case.has_many() {
            true => (self.files, SMALL_FILE),
            false => (self.parallel, self.size),
        };
        bytes * u64::try_from(count).unwrap_or(1)
    }

    /// Whether the command itself moves, and not a pump alone.
    pub(super) fn is_for_the_command(&self) -> bool {
        self.container.is_some() || self.case.is_of_files()
    }

    /// What is uploaded: a file, or a folder of small ones.
    pub(super) fn uploaded(&self) -> PathBuf {
        match self.case.has_many() {
            true => small_files(&self.folder),
            false => self.source_file(),
        }
    }

    /// The file that is moved, or served.
    pub(super) fn source_file(&self) -> PathBuf {
        source_file(&self.folder)
    }

    /// The FIFO of a transfer.
    pub(super) fn fifo(&self, number: usize) -> PathBuf {
        self.folder.join(format!("fifo-{number}"))
    }

    /// The file that a transfer writes.
    pub(super) fn target(&self, number: usize) -> PathBuf {
        self.folder.join(format!("target-{number}"))
    }

    /// The socket on which a transfer finds a container's output.
    pub(super) fn attach(&self, number: usize) -> PathBuf {
        self.folder.join(format!("attach-{number}"))
    }
}

/// The file that is moved or served, in the folder of a measurement.
pub(super) fn source_file(folder: &Path) -> PathBuf {
    folder.join("store").join("source")
}

/// The folder of many small files.
pub(super) fn small_files(folder: &Path) -> PathBuf {
    folder.join("small")
}

/// What a child says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Message {
    /// It may begin.
    Ready,
    /// It serves there.
    Listening(SocketAddr),
    /// A reader or writer has come to its end, at this time of the machine's monotonic clock.
    Finished { bytes: u64, at: f64 },
    /// The moving process has come to its end.
    Moved(Moved),
    /// It cannot go on.
    Failed(String),
}

impl Message {
    /// Whether nothing comes after it.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Moved(_) | Self::Failed(_))
    }
}

/// What moving has taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Moved {
    /// When it began, by the machine's monotonic clock.
    pub(super) began: f64,
    /// From its beginning to the last byte that a sink took.
    pub(super) seconds: f64,
    pub(super) bytes: u64,
    pub(super) carrier: String,
    pub(super) user_seconds: f64,
    pub(super) system_seconds: f64,
    pub(super) peak_memory: u64,
    pub(super) voluntary_switches: u64,
    /// The most at once; not known of another process.
    pub(super) threads: Option<u64>,
}

/// Says one thing.
pub(super) fn say(out: &mut dyn Write, message: &impl Serialize) -> Result<(), PeerError> {
    let line = serde_json::to_string(message).map_err(|error| PeerError::Talk(error.into()))?;
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(PeerError::Talk)
}

/// Hears one thing.
pub(super) fn hear<T: DeserializeOwned>(input: &mut dyn BufRead) -> Result<T, PeerError> {
    let mut line = String::new();
    if input.read_line(&mut line).map_err(PeerError::Talk)? == 0 {
        return Err(PeerError::Talk(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_str(&line).map_err(|error| PeerError::Talk(error.into()))
}

/// The machine's monotonic clock, which all processes share, in seconds.
pub(super) fn now() -> Result<f64, PeerError> {
    let id = nix::time::ClockId::CLOCK_MONOTONIC;
    let time = id.now().map_err(|errno| PeerError::System("read the clock", errno.into()))?;
    Ok(std::time::Duration::from(time).as_secs_f64())
}
