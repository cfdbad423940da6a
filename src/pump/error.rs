//! What can go wrong with a pump and with a transfer.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::http::HttpError;

/// Why a pump or a transfer could not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PumpError {
    /// A worker's thread, its epoll instance or its waker could not be made.
    #[error("cannot start a worker of the pump")]
    Start(#[source] io::Error),
    /// An end of a FIFO could not be opened.
    #[error("cannot open the FIFO {}", .0.display())]
    OpenFifo(PathBuf, #[source] io::Error),
    /// There is no inotify, and no thread that would wait for a FIFO's reader.
    #[error("cannot wait for the reader of the FIFO {}", .0.display())]
    WaitForReader(PathBuf, #[source] io::Error),
    /// Our own output, or a file, cannot be written to as it is.
    #[error("cannot prepare the sink")]
    PrepareSink(#[source] io::Error),
    /// The source could not be made ready.
    #[error("cannot prepare the source")]
    PrepareSource(#[source] io::Error),
    /// A request that cannot be sent.
    #[error("cannot prepare the request")]
    Request(#[source] HttpError),
    /// The reactor refused a descriptor.
    #[error("cannot watch a descriptor")]
    Register(#[source] io::Error),
    /// The transfer failed before it began.
    #[error("cannot begin the transfer")]
    Begin(#[source] TransferError),
    /// A worker has got the order, and could not be woken for it.
    #[error("cannot wake a worker of the pump")]
    Wake(#[source] io::Error),
    /// The worker is gone.
    #[error("the pump has stopped")]
    Stopped,
}

/// Why a transfer failed. An end that is merely over is no error: see [`Finish`](super::Finish).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The GET came to nothing.
    #[error("cannot fetch the source")]
    Fetch(#[source] HttpError),
    /// The body broke off and no attempt to resume it got any further.
    #[error("the source broke off after {at} bytes and {}", resumed(*attempts))]
    Interrupted {
        /// Bytes that had come.
        at: u64,
        /// Requests for the rest.
        attempts: u32,
        /// The last one's error.
        #[source]
        source: HttpError,
    },
    /// What the server offers is not as long as was said.
    #[error("the source has {found} bytes, {expected} were expected")]
    Size {
        /// The store's record, or the first answer.
        expected: u64,
        /// The server's answer, or what came.
        found: u64,
    },
    /// What came is not what the store has.
    #[error(
        "the source's SHA-512 is {found}…, not {expected}… as in its record: it was damaged on its way, or changed"
    )]
    Checksum {
        /// The first digits of the record's.
        expected: String,
        /// The first digits of what came.
        found: String,
    },
    /// A source could not be read.
    #[error("cannot read the source")]
    Read(#[source] io::Error),
    /// It cannot be found out how much of a source has come.
    #[error("cannot ask how much of the source has come")]
    Unread(#[source] io::Error),
    /// A file is to be read once more.
    #[error("cannot go back to the first byte of the source")]
    Rewind(#[source] io::Error),
    /// A sink could not be written to.
    #[error("cannot write to the sink")]
    Write(#[source] io::Error),
    /// The POST came to nothing.
    #[error("cannot post the bytes, which cannot be sent a second time")]
    Post(#[source] HttpError),
    /// Two readers had a FIFO open, or a second came where the first had left off.
    #[error(
        "the FIFO was opened by a second reader while bytes of the first reading were in it: it \
         would have got the middle of the file"
    )]
    Overlap,
    /// A FIFO was opened a second time, and its source can be read only once.
    #[error("the FIFO was opened a second time, but its source can be read only once")]
    ReadOnce,
    /// A FIFO's reader came, and our end could not be opened.
    #[error("cannot open the FIFO {} for its reader", .0.display())]
    Open(PathBuf, #[source] io::Error),
    /// An end of a FIFO that was closed could not be opened again.
    #[error("cannot open the FIFO {} again", .0.display())]
    Reopen(PathBuf, #[source] io::Error),
    /// It cannot be found out what is in a FIFO, and who reads it.
    #[error("cannot ask who reads the FIFO {}, and how much is in it", .0.display())]
    Ask(PathBuf, #[source] io::Error),
    /// A reader's closing was told, and it cannot be waited for.
    #[error("cannot wait until the reader of the FIFO {} has left", .0.display())]
    WaitForLeavers(PathBuf, #[source] io::Error),
    /// What a reading has left in a FIFO cannot be thrown away.
    #[error("cannot empty the FIFO {} for its next reader", .0.display())]
    Empty(PathBuf, #[source] io::Error),
    /// inotify does not tell of the next reading of a FIFO.
    #[error("cannot watch the FIFO {}", .0.display())]
    Watch(PathBuf, #[source] io::Error),
    /// The pipe between the source and the sink could not be made, or does not give its bytes back.
    #[error("cannot use a pipe between the source and the sink")]
    Pipe(#[source] io::Error),
    /// The container's output cannot be taken apart.
    #[error("the engine's stream of the container's output is malformed")]
    Split(#[source] Box<dyn Error + Send + Sync>),
    /// The container's output could not be kept for a slow sink.
    #[error("cannot spool the container's output")]
    Spool(#[source] io::Error),
    /// A descriptor could not be watched.
    #[error("cannot watch a descriptor")]
    Register(#[source] io::Error),
    /// A mistake of ours.
    #[error("a bug in Gantline: {0}")]
    Bug(&'static str),
}

fn resumed(attempts: u32) -> String {
    match attempts {
        0 => "cannot be resumed".to_owned(),
        1 => "could not be resumed".to_owned(),
        _ => format!("could not be resumed in {attempts} attempts"),
    }
}
