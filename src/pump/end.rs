//! The ends of a transfer, as whoever adds it names them.

use std::fs::File;
use std::os::fd::OwnedFd;

use crate::http::{Client, Get, Post};
use crate::sys::fifo::Fifo;

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
        /// Which sum the store says that it has. Another one is an error.
        sum: Option<Sum>,
    },
    /// A regular file, from its offset on.
    File(File),
    /// The reading end of a pipe, until all its writers have closed it. It can be read only once.
    Pipe(OwnedFd),
    /// A regular file, a pipe, a socket or a device that others may have open, too, until its end.
    Descriptor(OwnedFd),
    /// A FIFO that others write, one after the other. It is opened when the transfer is added, before
    /// they start, and over when they are
    /// ([`Flow::container_exited`](crate::pump::Flow::container_exited)) and it is empty.
    Fifo(Fifo),
}

/// The SHA-512 that a source has to have.
#[derive(Debug, Clone)]
pub struct Sum {
    /// In hexadecimal.
    pub sha512: String,
    /// When it is computed.
    pub when: Summed,
}

/// When a source is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Summed {
    /// Whatever that costs: it is copied where it could be spliced.
    Always,
    /// When its bytes are copied anyway, as those are that several connections may fetch; and from its second
    /// reading on, if it broke off and its server does not tell one version of it from another.
    UnlessSpliced,
}

/// Where bytes go.
#[derive(Debug)]
#[non_exhaustive]
pub enum Sink {
    /// A FIFO that others read, one after the other, each from the first byte on. It is held when the
    /// transfer is added, which must be before they start.
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
