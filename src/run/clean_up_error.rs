//! What a run, or a prune, could not clean up.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::docker::DockerError;
use crate::run::transfers::host_file::HostFileError;
use crate::volume::VolumeError;

/// Something that a run made and that is still there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CleanUpError {
    /// The container.
    #[error("cannot remove the container {name}")]
    Container {
        /// Its name.
        name: String,
        /// Why not.
        source: DockerError,
    },
    /// A FIFO or a temporary directory.
    #[error("a part of a volume stays")]
    Volume(#[source] VolumeError),
    /// A file that is not whole.
    #[error("an unfinished file stays")]
    HostFile(#[source] HostFileError),
    /// What a killed run wrote down of what it made.
    #[error("cannot read {}, where a run wrote down what it made", path.display())]
    Record {
        /// The record, or a folder of them.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A line of a record was not written to its end.
    #[error(
        "{} has a line that is not whole, and stays: what the line names may still be there: {line}",
        path.display()
    )]
    Torn {
        /// The record.
        path: PathBuf,
        /// What there is of the line.
        line: String,
    },
    /// A temporary directory has what only root may remove.
    #[error("a part of a volume stays; this removes it: {command}")]
    Refused {
        /// The command that removes it.
        command: String,
        /// Why we did not.
        source: VolumeError,
    },
    /// The run was cancelled, and had no more time for it.
    #[error("{what} could not be removed in time: `gantline prune` removes it")]
    Late {
        /// What it is.
        what: String,
    },
    /// The container may still run: nobody could kill it. What it reads has no end until it is dead.
    #[error("the container {name} may still run: what it reads is kept open until it is dead, {}", held_by(*holder))]
    MayRun {
        /// Its name.
        name: String,
        /// The process that keeps it open, and goes on trying to kill the container, if it is not this one.
        holder: Option<u32>,
    },
    /// A transfer that does not end.
    #[error("the transfer {label} has not ended")]
    Transfer {
        /// `<source> → <sink>`.
        label: String,
    },
    /// We are to blame.
    #[error("a bug in Gantline: {0}")]
    Bug(&'static str),
}

fn held_by(holder: Option<u32>) -> String {
    match holder {
        Some(process) => {
            format!("by process {process} (gantline-guard), which kills it when the engine answers")
        }
        None => "by this process".to_owned(),
    }
}
