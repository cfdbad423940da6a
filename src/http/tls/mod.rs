//! One TLS session over a non-blocking socket: rustls's handshake, and our own way with records.
//!
//! rustls hands each record's data out in a vector of its own, which has to be copied once more;
//! that cost a fifth of what a body over TLS needs. So rustls does what is hard to do right
//! (`handshake`: certificates, key exchange, tickets, the next keys), and the records, of which a
//! body has a hundred thousand a second, are read into the caller's buffer and opened there
//! (`record`), each one's data moving up to those before. What is no data (`channel`) is heeded on
//! the way. The rest of a buffer, the beginning of a record, waits here for the next read.

mod channel;
mod handshake;
mod outgoing;
pub(crate) mod record;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error as TlsError};

use self::channel::{Channel, Opened};
use self::handshake::Handshake;
use self::record::WIRE;
use super::transport::{Fault, Step, receive};

/// A session of a client.
pub(super) struct Session {
    state: State,
    incoming: Incoming,
    /// What is wrong with the record behind the data that were given last.
    wrong: Option<TlsError>,
}

enum State {
    Handshake(Box<Handshake>),
    Open(Box<Channel>),
    Failed,
}

/// What has come and was not given away.
#[derive(Default)]
struct Incoming {
    /// Room for one record, once it is needed.
    bytes: Box<[u8]>,
    /// Data of a record that was opened here.
    data: Range<usize>,
    /// What follows them, sealed.
    sealed: Range<usize>,
}

impl Session {
    /// Starts a session in which `request` will be sent.
    pub(super) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        request: Vec<u8>,
    ) -> Result<Self, TlsError> {
        let state = State::Handshake(Box::new(Handshake::new(config, name, request)?));
        Ok(Self { state, incoming: Incoming::default(), wrong: None })
    }

    /// Has another request to send, when the answer to the one before has been read to its end.
    pub(super) fn ask_again(&mut self, request: &[u8]) -> Option<()> {
        let State::Open(channel) = &mut self.state else { return None };
        let is_read = self.incoming.data.is_empty() && self.wrong.is_none();
        if !is_read || channel.is_over() {
            return None;
        }
        channel.seal(request).ok()
    }

    /// Does the handshake and sends the request.
    pub(super) fn send(&mut self, stream: &mut TcpStream) -> Result<Step, Fault> {
        if let State::Handshake(handshake) = &mut self.state {
            if let Step::Blocked = handshake.advance(stream)? {
                return Ok(Step::Blocked);
            }
            if let State::Handshake(over) = std::mem::replace(&mut self.state, State::Failed) {
                let (channel, early) = over.into_channel()?;
                self.incoming = Incoming::with(early);
                self.state = State::Open(Box::new(channel));
            }
        }
        let State::Open(channel) = &mut self.state else { return Err(failed()) };
        Ok(channel.flush(stream)?)
    }

    /// Seals and sends some of `bytes`, once what was sealed before is sent.
    pub(super) fn write(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> Result<Step, Fault> {
        let State::Open(channel) = &mut self.state else { return Err(failed()) };
        if channel.is_over() {
            return Ok(OVER);
        }
        if let Step::Blocked = channel.flush(stream)? {
            return Ok(Step::Blocked);
        }
        let piece = bytes.get(..WRITE).unwrap_or(bytes);
        if let Err(error) = channel.seal(piece) {
            channel.tell_why(stream, &error);
            return Err(error.into());
        }
        let _ = channel.flush(stream)?;
        Ok(Step::Done(piece.len()))
    }

    /// Sends what is sealed; whether nothing of it is left.
    pub(super) fn is_flushed(&mut self, stream: &mut TcpStream) -> Result<bool, Fault> {
        let State::Open(channel) = &mut self.state else { return Err(failed()) };
        Ok(matches!(channel.flush(stream)?, Step::Done(_)))
    }

    /// Whether something is sealed that the socket had no room for.
    pub(super) fn is_sending(&self) -> bool {
        match &self.state {
            State::Handshake(handshake) => handshake.is_sending(),
            State::Open(channel) => channel.is_sending(),
            State::Failed => false,
        }
    }

    /// Reads data: what has come, as far as there is room. Less room than a record has on the wire
    /// costs a copy.
    pub(super) fn read(&mut self, stream: &mut TcpStream, buf: &mut [u8]) -> Result<Step, Fault> {
        let Self { state: State::Open(channel), incoming, wrong } = self else {
            return Err(failed());
        };
        let step = if let Some(error) = wrong.take() {
            Err(error.into())
        } else if buf.len() < WIRE || !incoming.data.is_empty() {
            incoming.read_a_record(channel, stream, buf)
        } else {
            incoming.read_many(channel, stream, buf, wrong)
        };
        if let Err(fault) = step {
            if let Fault::Tls(error) = &fault {
                channel.tell_why(stream, error);
            }
            self.state = State::Failed;
            return Err(fault);
        }
        // An answer to a change of keys; it may wait until the socket has room.
        match channel.flush(stream) {
            // What has come is given all the same: it may say why the connection broke.
            Err(error) if error.kind() != BEYOND && !matches!(step, Ok(Step::Blocked)) => step,
            flushed => flushed.map_err(Fault::Io).and(step),
        }
    }

    /// Gives back the last `count` bytes of what was read last, into less room than a record has on
    /// the wire.
    pub(super) fn unread(&mut self, count: usize) {
        let data = &mut self.incoming.data;
        data.start = data.start.saturating_sub(count);
    }
}

impl Incoming {
    /// With data that were opened elsewhere.
    fn with(data: Vec<u8>) -> Self {
        let length = data.len();
        let mut bytes = data;
        if length > 0 {
            bytes.resize(length.max(WIRE), 0);
        }
        Self { bytes: bytes.into(), data: 0..length, sealed: 0..0 }
    }

    /// Reads into `buf`, which has room for a record, and opens what has come there.
    fn read_many(
        &mut self,
        channel: &mut Channel,
        stream: &mut TcpStream,
        buf: &mut [u8],
        wrong: &mut Option<TlsError>,
    ) -> Result<Step, Fault> {
        let sealed = std::mem::take(&mut self.sealed);
        let mut filled = sealed.len();
        buf[..filled].copy_from_slice(&self.bytes[sealed]);
        loop {
            let (mut data, mut opened) = (0, 0);
            while !channel.is_over() {
                match channel.open(&mut buf[..filled], opened, data) {
                    Ok(Some(record)) => {
                        data += record.data;
                        opened += record.wire;
                    }
                    Ok(None) => break,
                    Err(error) if data == 0 => return Err(error.into()),
                    Err(error) => {
                        *wrong = Some(error);
                        return Ok(Step::Done(data));
                    }
                }
            }
            if data > 0 || channel.is_over() {
                self.keep(&buf[opened..filled]);
                return Ok(if data > 0 { Step::Done(data) } else { OVER });
            }
            buf.copy_within(opened..filled, 0);
            filled -= opened;
            match receive(stream, &mut buf[filled..])? {
                Step::Done(count) => filled += count,
                Step::Blocked => {
                    self.keep(&buf[..filled]);
                    return Ok(Step::Blocked);
                }
                Step::Closed { .. } => return Ok(Step::Closed { clean: false }),
            }
        }
    }

    /// Opens the next record here, and gives as much of it as there is room for.
    fn read_a_record(
        &mut self,
        channel: &mut Channel,
        stream: &mut TcpStream,
        buf: &mut [u8],
    ) -> Result<Step, Fault> {
        while self.data.is_empty() {
            if channel.is_over() {
                return Ok(OVER);
            }
            let Range { start, end } = self.sealed;
            if let Some(Opened { data, wire }) =
                channel.open(&mut self.bytes[..end], start, start)?
            {
                self.data = start..start + data;
                self.sealed.start += wire;
                continue;
            }
            self.bytes.copy_within(start..end, 0);
            self.sealed = 0..end - start;
            match receive(stream, self.room())? {
                Step::Done(count) => self.sealed.end += count,
                Step::Blocked => return Ok(Step::Blocked),
                Step::Closed { .. } => return Ok(Step::Closed { clean: false }),
            }
        }
        let count = self.data.len().min(buf.len());
        let Range { start, .. } = self.data;
        buf[..count].copy_from_slice(&self.bytes[start..start + count]);
        self.data.start += count;
        Ok(Step::Done(count))
    }

    /// Keeps the beginning of a record.
    fn keep(&mut self, sealed: &[u8]) {
        self.sealed = 0..0;
        let room = self.room();
        // More than that follows only what the peer has said to be the end.
        let count = sealed.len().min(room.len());
        room[..count].copy_from_slice(&sealed[..count]);
        self.sealed = 0..count;
    }

    /// Where more of a record goes.
    fn room(&mut self) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = vec![0; WIRE].into();
        }
        &mut self.bytes[self.sealed.end..]
    }
}

impl From<TlsError> for Fault {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Handshake(_) => "handshake",
            State::Open(_) => "open",
            State::Failed => "failed",
        };
        // Neither the request nor what was read.
        f.debug_struct("Session").field("state", &state).finish_non_exhaustive()
    }
}

/// The error of a peer for which too much waits to be sent.
const BEYOND: io::ErrorKind = io::ErrorKind::Other;

/// The peer has said that this is all.
const OVER: Step = Step::Closed { clean: true };

fn failed() -> Fault {
    io::Error::other("a TLS session that is not open was used").into()
}

/// Data that are sealed at once: sixteen records.
const WRITE: usize = 16 * record::CONTENT;

#[cfg(test)]
mod tests;
