//! The sink that is a POST: bytes go out in chunks, and the server has the last word.
//!
//! It connects when the first byte is there: a server does not wait long for a body that has not
//! begun, and a container may compute for an hour before it writes. Nothing can be sent twice, so
//! whatever breaks fails the transfer.
//!
//! Out of a FIFO and without TLS bytes are spliced, by way of a pipe of our own. What is in that is
//! a chunk, so that nobody has to ask how much the FIFO has; and its writer, who cannot write while a
//! splice holds the FIFO's lock, is held up for as long as it takes to take its pages over, not for
//! as long as TCP takes to send them. Both cores worked a third of their time for that lock before.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Token};

use crate::http::{Answer, Client, Lookup, Post, Posting, Progress, Wrote};
use crate::pump::error::TransferError;
use crate::pump::far::fetch::Ticket;
use crate::pump::sink::Attended;
use crate::pump::took::{Gave, Spliced};
use crate::pump::turn::Context;
use crate::sys::splice::{is_to_copy, splice_bytes};

/// A chunk of this size comes of a fast writer, whose next one is not far.
const FAST: usize = 64 << 10;

/// How long the end of such a chunk waits for the next one, to go in one segment with its size.
const CORK: Duration = Duration::from_millis(2);

/// A POST as a sink.
#[derive(Debug)]
pub(crate) struct PostSink {
    posting: Posting,
    is_wanted: bool,
    opening_until: Option<Instant>,
    registered: Option<u32>,
    /// An edge came, or a deadline passed: the server may have said something.
    has_news: bool,
    last_chunk: usize,
    corked_until: Option<Instant>,
}

impl PostSink {
    /// Nothing is sent yet.
    pub(crate) fn new(client: &Client, post: Post) -> Result<Self, crate::http::HttpError> {
        let posting = client.post(post)?;
        Ok(Self {
            posting,
            is_wanted: false,
            opening_until: None,
            registered: None,
            has_news: false,
            last_chunk: 0,
            corked_until: None,
        })
    }

    /// An edge came from its connection.
    pub(crate) fn became_ready(&mut self) {
        self.has_news = true;
    }

    /// Its deadline has passed.
    pub(crate) fn timed_out(&mut self, now: Instant) {
        self.has_news |= self.posting.deadline().is_some_and(|deadline| deadline <= now);
    }

    fn begin_chunk(&mut self, bytes: usize) {
        self.posting.begin_chunk(bytes);
        self.last_chunk = bytes;
        self.corked_until = None;
    }

    /// Whether nothing is left to be sent but the end of the last chunk.
    fn is_end_due(&self) -> bool {
        self.posting.is_open() && self.posting.left() == 0 && self.posting.is_framing_due()
    }

    /// Whether the end of the last chunk still waits for another.
    fn is_corked(&mut self, now: Instant) -> bool {
        if self.last_chunk < FAST {
            return false;
        }
        now < *self.corked_until.get_or_insert(now + CORK)
    }

    /// Whether bytes could be spliced into it.
    pub(crate) fn is_plain(&self) -> bool {
        self.posting.is_plain()
    }

    /// Whether it has to go towards the server.
    fn is_opening(&self) -> bool {
        self.is_wanted && self.posting.is_going()
    }

    /// When it wants a turn without an event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let opening = self.opening_until.or_else(|| self.posting.deadline());
        let cork = self.corked_until.filter(|_| self.is_end_due());
        opening.into_iter().chain(cork).min()
    }

    pub(crate) fn resolved(&mut self, addresses: io::Result<Vec<SocketAddr>>) {
        self.posting.resolved(addresses);
    }

    /// The socket, if it is another than the one that was registered last.
    fn new_connection(&mut self) -> Option<&mut TcpStream> {
        let (number, socket) = self.posting.connection()?;
        if self.registered == Some(number) {
            return None;
        }
        self.registered = Some(number);
        Some(socket)
    }

    /// Splices some of the `held` bytes in the pipe of `reader`, in a chunk of their own unless one is
    /// begun.
    pub(crate) fn splice(
        &mut self,
        reader: &impl AsFd,
        held: usize,
        now: Instant,
    ) -> Result<Spliced, TransferError> {
        self.is_wanted = true;
        if !self.posting.is_open() {
            return Ok(Spliced::Gave(Gave::Blocked));
        }
        if self.posting.left() == 0 {
            self.begin_chunk(held);
        }
        match gave(self.posting.flush(now))? {
            Gave::Bytes(_) => {}
            other => return Ok(Spliced::Gave(other)),
        }
        let Some(sink) = self.posting.raw() else { return Ok(Spliced::Gave(Gave::Blocked)) };
        let answer = splice_bytes(reader, &sink, self.posting.left().min(held));
        if let Err(errno) = answer
            && is_to_copy(errno)
        {
            return Ok(Spliced::Unfit(errno));
        }
        gave(self.posting.spliced(answer.map_err(io::Error::from), now)).map(Spliced::Gave)
    }

    /// Writes some of `bytes`, in a chunk of its own unless one is begun. What comes later begins
    /// with the same bytes, without those that were taken.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Gave, TransferError> {
        self.is_wanted = true;
        if !self.posting.is_open() {
            return Ok(Gave::Blocked);
        }
        if self.posting.left() == 0 {
            self.begin_chunk(bytes.len());
        }
        gave(self.posting.write(bytes, Instant::now()))
    }

    /// Before the steps of a turn: goes towards the server, or hears what it says.
    pub(crate) fn attend(
        &mut self,
        token: Token,
        context: &mut Context<'_>,
    ) -> Result<Attended, TransferError> {
        if !self.is_opening() {
            if std::mem::take(&mut self.has_news) {
                let _: Answer = self.posting.look(context.now).map_err(TransferError::Post)?;
            }
            return Ok(Attended::Nothing);
        }
        let progress = self.posting.advance(context.now).map_err(TransferError::Post)?;
        self.opening_until = None;
        let mut lookup: Option<Lookup> = None;
        match progress {
            Progress::Lookup(wanted) => lookup = Some(wanted),
            Progress::Blocked { deadline } => self.opening_until = Some(deadline),
            _ => {}
        }
        let is_open = self.posting.is_open();
        if let Some(socket) = self.new_connection() {
            context
                .registry
                .register(socket, token, Interest::READABLE | Interest::WRITABLE)
                .map_err(TransferError::Register)?;
        }
        if is_open {
            return Ok(Attended::Ready);
        }
        if let Some(lookup) = lookup {
            context.lookups.push((Ticket::ONLY, lookup));
            // The exchange has its deadline only when it is asked once more.
            return Ok(Attended::Again);
        }
        Ok(Attended::Wait)
    }

    /// Nothing can be moved now: sends what a chunk's end leaves to be sent. Whether it was asked for and
    /// has to go towards the server.
    pub(crate) fn rest(&mut self, now: Instant) -> Result<bool, TransferError> {
        if self.is_opening() {
            // With a deadline, or a socket, it is under way already.
            return Ok(self.opening_until.is_none() && self.registered.is_none());
        }
        if self.is_end_due() && !self.is_corked(now) {
            self.corked_until = None;
            let _: Wrote = self.posting.flush(now).map_err(TransferError::Post)?;
        }
        Ok(false)
    }

    /// The source has ended: says so to the server, and waits for its answer. `Nothing`: it has accepted,
    /// or takes no more.
    pub(crate) fn finish(&mut self, now: Instant) -> Result<Attended, TransferError> {
        self.is_wanted = true;
        if !self.posting.is_open() {
            // A body without bytes is a body. A refusal is still being read.
            return Ok(if self.posting.is_going() { Attended::Again } else { Attended::Wait });
        }
        self.corked_until = None;
        self.posting.end();
        match self.posting.flush(now).map_err(TransferError::Post)? {
            Wrote::Bytes(_) => self.posting.awaits_answer(now),
            Wrote::Refused => return Ok(Attended::Nothing),
            _ => return Ok(Attended::Wait),
        }
        match self.posting.look(now).map_err(TransferError::Post)? {
            Answer::Accepted => Ok(Attended::Nothing),
            _ => Ok(Attended::Wait),
        }
    }
}

fn gave(wrote: Result<Wrote, crate::http::HttpError>) -> Result<Gave, TransferError> {
    match wrote.map_err(TransferError::Post)? {
        Wrote::Bytes(bytes) => Ok(Gave::Bytes(bytes)),
        Wrote::Refused => Ok(Gave::Refused),
        _ => Ok(Gave::Blocked),
    }
}
