//! The streaming core: moves the bytes of many transfers with a few threads.
//!
//! A [`Pump`] has worker threads, each with an epoll loop (`reactor`). A run opens a [`Flow`] and
//! adds its transfers, one [`Source`] into one [`Sink`] each; what happens is told to a callback as
//! [`Notice`]s. The reader's path through this folder:
//!
//! 1. `transfer` decides, as a pure state machine: fill, drain, move, wait, yield, finish.
//! 2. `carrier` is what lies between the ends: nothing (*direct*), a kernel pipe (*splice*), a
//!    buffer of the pool (*copy*), memory and a file (`spool`), or parts that are fetched
//!    ahead (`ring`). `route` picks one.
//! 3. `source` and `sink` are the ends, `shared` our standard output as one, `post` a POST. `fifo` is an
//!    input FIFO: held until its reader comes, and served again to the next.
//! 4. `driver` puts one of each together and takes turns; `step` does what `transfer` says, `deadline`
//!    says when it is looked at without an event.
//! 5. `far` is a GET: resumed where it broke off, watched, and fetched over several connections, the
//!    lanes, into the ring where one is too slow.
//! 6. `streams` takes a container's output apart; `worker` has the threads, and gives the turns.
//!
//! What is promised: a byte that a source gave is delivered once and in its order, or the transfer
//! fails; an input FIFO is never closed before its last byte while the container runs; the output
//! of a container is taken at once, however slow its sink; a transfer that has nothing to do costs
//! no wake-up and no buffer.

mod carrier;
mod deadline;
mod driver;
mod error;
mod far;
mod fifo;
mod post;
mod report;
mod shared;
mod sink;
mod source;
mod step;
mod streams;
mod transfer;
mod worker;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

pub use self::carrier::Carrier;
pub use self::error::{PumpError, TransferError};
pub use self::report::{Finish, Notice, TransferReport};
pub use self::streams::{Attach, Outlet, Piece, Split};
pub use self::worker::{Flow, Pump};
use crate::http::{Client, Get, Post};
use crate::sys::fifo::Fifo;

/// How a pump is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Worker threads. Default: one a core, at most four; one keeps a whole memory bus busy.
    pub workers: usize,
    /// Buffers of 1 MiB that all workers may have together, for what cannot be spliced.
    /// Default: 8. A transfer that finds none has one of 64 KiB for as long as it needs it.
    pub buffers: usize,
    /// Where a container's output is kept while its sink is slow, in files without names.
    /// Default: `TMPDIR`.
    pub spool_folder: PathBuf,
    /// Connections that one transfer may use where a single one is too slow for its round trip.
    /// Default: 8. With 1 there is never a second.
    pub connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores.min(4),
            buffers: 8,
            spool_folder: PathBuf::from("/tmp"),
            connections: 8,
        }
    }
}

/// Where bytes come from.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// The body of a GET. It is resumed where it breaks off, and begun anew for another reader.
    Http {
        /// With its limits and its trust.
        client: Client,
        /// What is asked for.
        get: Get,
        /// How long the store says that it is. Anything else is an error.
        size: Option<u64>,
    },
    /// A regular file, from its first byte.
    File(File),
    /// A FIFO that the container writes. It is opened when the transfer is added, before the
    /// container starts, and over when the container is and it is empty.
    Fifo(Fifo),
}

/// Where bytes go.
#[derive(Debug)]
#[non_exhaustive]
pub enum Sink {
    /// A FIFO that the container reads. It is held when the transfer is added, which must be
    /// before the container starts.
    Fifo(Fifo),
    /// A file of ours, written from its offset on.
    File(File),
    /// Our standard output or error, or what else others have open too: its flags are left alone.
    Inherited(OwnedFd),
    /// The body of a POST, in chunks. It connects when the first byte is there, or the source is
    /// at its end.
    Post {
        /// With its limits and its trust.
        client: Client,
        /// Where to.
        post: Post,
    },
    /// Somebody in this process.
    Listener(Box<dyn Listen>),
}

/// Takes bytes in this process, all of them, in their order, in a worker's thread: return quickly.
pub trait Listen: Send {
    /// Here are more.
    fn hear(&mut self, bytes: &[u8]);

    /// There are no more; told before the transfer's end is.
    fn ended(&mut self);
}

impl std::fmt::Debug for dyn Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listen")
    }
}
