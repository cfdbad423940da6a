//! Where bytes go, whatever it is.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use mio::Token;
use nix::errno::Errno;
use nix::sys::uio::writev;

use crate::pump::end::Listen;
use crate::pump::error::TransferError;
use crate::pump::fifo::input::InputFifo;
use crate::pump::post::PostSink;
use crate::pump::shared::Shared;
use crate::pump::took::{Gave, Spliced};
use crate::pump::turn::Context;
use crate::sys::splice::{is_to_copy, splice_bytes};
use crate::sys::{pipe, uninterrupted};

/// One end of a transfer.
#[derive(Debug)]
pub(crate) enum Sink {
    /// A FIFO that the container reads.
    Fifo(Box<InputFifo>),
    /// A file that is ours alone.
    File(File),
    /// A descriptor that others hold as well.
    Shared(Shared),
    /// A server.
    Post(Box<PostSink>),
    /// Somebody in this process.
    Listener(Listener),
}

/// Somebody in this process who takes whatever comes.
pub(crate) struct Listener(pub(crate) Box<dyn Listen>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// What there is to do about a sink before it is given bytes, or at their end.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attended {
    /// Nothing.
    Nothing,
    /// It has just become ready.
    Ready,
    /// It wants another turn before anything else.
    Again,
    /// It has to be waited for.
    Wait,
}

impl Sink {
    /// The descriptor to splice into, if that can be tried.
    pub(crate) fn raw(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Fifo(fifo) => fifo.writer(),
            Self::File(file) => Some(file.as_fd()),
            Self::Shared(shared) => shared.can_splice().then(|| shared.as_fd()),
            Self::Post(_) | Self::Listener(_) => None,
        }
    }

    /// Whether it would take a byte now.
    pub(crate) fn has_room(&self) -> bool {
        match self {
            Self::Fifo(fifo) => {
                fifo.writer().is_some_and(|writer| pipe::has_room(&writer).unwrap_or(true))
            }
            Self::File(_) | Self::Post(_) | Self::Listener(_) => true,
            Self::Shared(shared) => pipe::has_room(shared).unwrap_or(true),
        }
    }

    /// Whether splicing into it is worth a try, now or once its reader has come.
    pub(crate) fn takes_splices(&self) -> bool {
        match self {
            Self::Fifo(_) | Self::File(_) => true,
            Self::Shared(shared) => shared.can_splice(),
            Self::Post(post) => post.is_plain(),
            Self::Listener(_) => false,
        }
    }

    pub(crate) fn is_pipe(&self) -> bool {
        match self {
            Self::Fifo(_) => true,
            Self::File(_) | Self::Post(_) | Self::Listener(_) => false,
            Self::Shared(shared) => shared.is_pipe(),
        }
    }

    /// The descriptor whose edges tell of room; none if it never blocks.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Fifo(fifo) => fifo.descriptor(),
            Self::File(_) | Self::Post(_) | Self::Listener(_) => None,
            Self::Shared(shared) => shared.descriptor(),
        }
    }

    /// Writes what it takes of `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Gave, TransferError> {
        match self {
            Self::Post(post) => return post.write(bytes),
            Self::Listener(listener) => {
                listener.0.hear(bytes);
                return Ok(Gave::Bytes(bytes.len()));
            }
            _ => {}
        }
        let answer = uninterrupted(|| match self {
            Self::Fifo(fifo) => match fifo.writer() {
                Some(writer) => nix::unistd::write(writer, bytes),
                None => Err(Errno::EAGAIN),
            },
            Self::File(file) => nix::unistd::write(file, bytes),
            Self::Shared(shared) => shared.write(bytes),
            Self::Post(_) | Self::Listener(_) => Err(Errno::EBADF),
        });
        Gave::judge(answer).map_err(|errno| TransferError::Write(errno.into()))
    }

    /// Splices what it takes of the `held` bytes in the pipe of `reader`.
    pub(crate) fn splice(
        &mut self,
        reader: &impl AsFd,
        held: usize,
        now: Instant,
    ) -> Result<Spliced, TransferError> {
        if let Self::Post(post) = self {
            return post.splice(reader, held, now);
        }
        let Some(sink) = self.raw() else { return Ok(Spliced::Unfit(Errno::EINVAL)) };
        match splice_bytes(reader, &sink, held) {
            Err(errno) if is_to_copy(errno) => Ok(Spliced::Unfit(errno)),
            answer => Gave::judge(answer)
                .map(Spliced::Gave)
                .map_err(|errno| TransferError::Write(errno.into())),
        }
    }

    /// Writes what a file, a pipe or a terminal takes of `pieces` in one call. Other sinks take
    /// nothing: they have their own order of things.
    pub(crate) fn write_at_once(&mut self, pieces: &[IoSlice<'_>]) -> Result<Gave, TransferError> {
        let answer = uninterrupted(|| match self {
            Self::File(file) => writev(file, pieces),
            Self::Shared(shared) => shared.write_at_once(pieces),
            _ => Ok(0),
        });
        Gave::judge(answer).map_err(|errno| TransferError::Write(errno.into()))
    }

    /// An edge came from it.
    pub(crate) fn edge(&mut self) {
        if let Self::Post(post) = self {
            post.became_ready();
        }
    }

    /// Before the steps of a turn: goes towards whom it is for, and hears what that one says.
    pub(crate) fn attend(
        &mut self,
        token: Token,
        context: &mut Context<'_>,
    ) -> Result<Attended, TransferError> {
        match self {
            Self::Post(post) => post.attend(token, context),
            _ => Ok(Attended::Nothing),
        }
    }

    /// Nothing can be moved now: sends what is left to be sent. True: it wants a turn to go towards
    /// whom it is for.
    pub(crate) fn rest(&mut self, now: Instant) -> Result<bool, TransferError> {
        match self {
            Self::Post(post) => post.rest(now),
            _ => Ok(false),
        }
    }

    /// The source has ended: says so to whom it is for, and waits for the answer. `Nothing`: there is none
    /// to wait for.
    pub(crate) fn finish(&mut self, now: Instant) -> Result<Attended, TransferError> {
        match self {
            Self::Post(post) => post.finish(now),
            _ => Ok(Attended::Nothing),
        }
    }

    /// When it wants a turn without an event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Post(post) => post.deadline(),
            _ => None,
        }
    }

    /// Its deadline may have passed.
    pub(crate) fn timed_out(&mut self, now: Instant) {
        if let Self::Post(post) = self {
            post.timed_out(now);
        }
    }

    /// The answer to a look-up.
    pub(crate) fn resolved(&mut self, addresses: io::Result<Vec<SocketAddr>>) {
        if let Self::Post(post) = self {
            post.resolved(addresses);
        }
    }

    /// The transfer is over.
    pub(crate) fn ended(&mut self) {
        if let Self::Listener(listener) = self {
            listener.0.ended();
        }
    }
}
