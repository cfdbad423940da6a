//! Why a download into a volume failed.

use thiserror::Error;

use crate::pump::{PumpError, TransferError};
use crate::volume::VolumeError;

/// A file of Girder's did not come into its volume.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// No download could begin.
    #[error("cannot start to download")]
    Start {
        /// What the system said.
        source: std::io::Error,
    },
    /// The volume's folder cannot be used, or not this name in it.
    #[error("cannot put {file} into its volume")]
    Place {
        /// What it was.
        file: String,
        /// Why not.
        source: VolumeError,
    },
    /// It could not begin.
    #[error("cannot begin to download {file}")]
    Begun {
        /// What it was.
        file: String,
        /// Why not.
        source: PumpError,
    },
    /// It broke off, or could not be written.
    #[error("cannot download {file}{}", missing(*got, *total))]
    Transfer {
        /// What it was.
        file: String,
        /// Bytes that had been written.
        got: u64,
        /// Bytes that it has.
        total: Option<u64>,
        /// Why it ended.
        source: TransferError,
    },
    /// It came, and is not what it should be.
    #[error("{file} came whole, but its SHA-512 is not the one in Girder's record")]
    Checksum {
        /// What it was.
        file: String,
    },
    /// It was cancelled from within, which nobody asked for.
    #[error("the download of {file} stopped, {finish}")]
    Stopped {
        /// What it was.
        file: String,
        /// The pump's word for it.
        finish: &'static str,
    },
    /// Who writes it, or sums it, cannot have it open as well.
    #[error("cannot have {file} open once more")]
    Share {
        /// What it was.
        file: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// What was written cannot be read back.
    #[error("cannot read back {file}")]
    ReadBack {
        /// What it was.
        file: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// More than can be meant.
    #[error("{folder} has more than {limit} {what}")]
    TooMuch {
        /// What is downloaded.
        folder: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

fn missing(got: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => {
            format!(": {} of its {total} bytes are missing", total.saturating_sub(got))
        }
        None => format!(": it broke off after {got} bytes"),
    }
}
