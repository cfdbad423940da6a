//! One TLS session over a non-blocking socket, by rustls's unbuffered interface.
//!
//! Why not its buffered one: that reads the socket 4 KiB at a time. Here a read takes up to
//! 512 KiB, 32 records, which are decrypted where they lie; rustls hands each out as a vector,
//! which is copied into the caller's buffer.

use std::fmt;
use std::io;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, Error as TlsError};

use super::transport::{Fault, Step, flush, receive};

/// A session of a client.
pub(super) struct Session {
    connection: UnbufferedClientConnection,
    /// What is to be sent when the handshake is over; empty afterwards.
    request: Vec<u8>,
    incoming: Incoming,
    outgoing: Vec<u8>,
    sent: usize,
    /// Plain text that had no room in the caller's buffer, and where it starts.
    held: Vec<u8>,
    held_from: usize,
    ended: bool,
}

/// Encrypted bytes between the socket and rustls.
struct Incoming {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

/// What rustls wants next.
#[derive(Debug)]
enum Want {
    /// It gave so many bytes of plain text.
    Plain(usize),
    /// More bytes, for the handshake.
    Handshake,
    /// More bytes, for anything else.
    Idle,
    /// Nothing: the peer has said that this is all.
    Ended,
}

impl Session {
    /// Starts a session in which `request` will be sent.
    pub(super) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        request: Vec<u8>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            connection: UnbufferedClientConnection::new(config, name)?,
            request,
            incoming: Incoming { bytes: vec![0; INCOMING], start: 0, end: 0 },
            outgoing: Vec::new(),
            sent: 0,
            held: Vec::new(),
            held_from: 0,
            ended: false,
        })
    }

    /// Has another request to send, when the answer to the one before has been read to its end.
    pub(super) fn ask_again(&mut self, request: Vec<u8>) -> Option<()> {
        let is_read = self.held.get(self.held_from..).is_none_or(<[u8]>::is_empty);
        (is_read && !self.ended).then(|| self.request = request)
    }

    /// Does the handshake and sends the request.
    pub(super) fn send(&mut self, stream: &mut TcpStream) -> Result<Step, Fault> {
        loop {
            let want = self.next(stream, &mut [])?;
            if let Step::Blocked = self.flush(stream)? {
                return Ok(Step::Blocked);
            }
            match want {
                Want::Plain(_) => {}
                Want::Idle if self.request.is_empty() => return Ok(Step::Done(0)),
                Want::Idle | Want::Handshake => match self.incoming.fill(stream)? {
                    Step::Done(_) => {}
                    Step::Blocked => return Ok(Step::Blocked),
                    Step::Closed { .. } => return Err(io::Error::from(CUT).into()),
                },
                Want::Ended => return Err(io::Error::from(CUT).into()),
            }
        }
    }

    /// Encrypts and sends some of `bytes`, once what was encrypted before is sent.
    ///
    /// What the peer says meanwhile is kept for [`read`](Self::read).
    pub(super) fn write(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> Result<Step, Fault> {
        if !self.is_flushed(stream)? {
            return Ok(Step::Blocked);
        }
        let piece = bytes.get(..WRITE).unwrap_or(bytes);
        self.request = piece.to_vec();
        while !self.request.is_empty() {
            match self.next(stream, &mut [])? {
                Want::Plain(_) | Want::Idle => {}
                Want::Handshake => return Err(Fault::Io(io::ErrorKind::InvalidData.into())),
                Want::Ended => {
                    self.ended = true;
                    return Ok(Step::Closed { clean: true });
                }
            }
        }
        let _ = self.flush(stream)?;
        Ok(Step::Done(piece.len()))
    }

    /// Sends what is encrypted; whether nothing of it is left.
    pub(super) fn is_flushed(&mut self, stream: &mut TcpStream) -> Result<bool, Fault> {
        Ok(matches!(self.flush(stream)?, Step::Done(_)))
    }

    /// Reads plain text. Fills as much of `buf` as there are whole records for.
    pub(super) fn read(&mut self, stream: &mut TcpStream, buf: &mut [u8]) -> Result<Step, Fault> {
        if let Some(rest) = self.held.get(self.held_from..).filter(|rest| !rest.is_empty()) {
            let count = rest.len().min(buf.len());
            buf[..count].copy_from_slice(&rest[..count]);
            self.held_from += count;
            return Ok(Step::Done(count));
        }
        let mut filled = 0;
        // Records without plain text do not keep it here for ever: rustls gives up on such a peer.
        loop {
            // A record that does not fit would have to be copied twice.
            if filled > 0 && buf.len() - filled < RECORD {
                return Ok(Step::Done(filled));
            }
            let want =
                if self.ended { Want::Ended } else { self.next(stream, &mut buf[filled..])? };
            // An answer to a change of keys; it may wait until the socket has room.
            let _ = self.flush(stream)?;
            match want {
                Want::Plain(count) => {
                    filled += count;
                    continue;
                }
                Want::Ended => self.ended = true,
                Want::Handshake | Want::Idle => {}
            }
            if filled > 0 {
                return Ok(Step::Done(filled));
            }
            if self.ended {
                return Ok(Step::Closed { clean: true });
            }
            match self.incoming.fill(stream)? {
                Step::Done(_) => {}
                Step::Closed { .. } => return Ok(Step::Closed { clean: false }),
                Step::Blocked => return Ok(Step::Blocked),
            }
        }
    }

    /// Gives back plain text that was read last, and not needed.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        let rest = self.held.split_off(self.held_from.min(self.held.len()));
        self.held = bytes.to_vec();
        self.held.extend(rest);
        self.held_from = 0;
    }

    /// Lets rustls work on what is there until it gives plain text or wants more.
    fn next(&mut self, stream: &mut TcpStream, buf: &mut [u8]) -> Result<Want, Fault> {
        loop {
            match self.turn(buf) {
                Ok(Some(want)) => return Ok(want),
                Ok(None) => {}
                Err(error) => {
                    // The next thing that rustls wants is to tell the peer why, for its log. It
                    // must not be asked for more: it would look at the same bytes again.
                    let _ = self.turn(&mut []);
                    let _ = self.flush(stream);
                    return Err(Fault::Tls(error));
                }
            }
        }
    }

    /// One turn of rustls's state machine; `None` if it wants another.
    fn turn(&mut self, buf: &mut [u8]) -> Result<Option<Want>, TlsError> {
        let UnbufferedStatus { discard, state } =
            self.connection.process_tls_records(self.incoming.filled());
        let want = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut count = 0;
                while let Some(record) = traffic.next_record() {
                    let payload = record?.payload;
                    let fits = payload.len().min(buf.len() - count);
                    buf[count..count + fits].copy_from_slice(&payload[..fits]);
                    count += fits;
                    if fits < payload.len() {
                        self.held.drain(..self.held_from);
                        self.held_from = 0;
                        self.held.extend_from_slice(&payload[fits..]);
                    }
                }
                Some(Want::Plain(count))
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(&mut self.outgoing, |room| match data.encode(room) {
                    Err(EncodeError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                    Err(EncodeError::AlreadyEncoded) => Ok(Ok(0)),
                    Ok(count) => Ok(Ok(count)),
                })?;
                None
            }
            // It is in `outgoing` now, which keeps the order.
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                None
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let request = std::mem::take(&mut self.request);
                if !request.is_empty() {
                    append(&mut self.outgoing, |room| match traffic.encrypt(&request, room) {
                        Err(EncryptError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                        Err(EncryptError::EncryptExhausted) => Err(TlsError::EncryptError),
                        Ok(count) => Ok(Ok(count)),
                    })?;
                }
                Some(Want::Idle)
            }
            Ok(ConnectionState::BlockedHandshake) => Some(Want::Handshake),
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Some(Want::Ended),
            Ok(_) => return Err(TlsError::General("an unknown state of the session".to_owned())),
            Err(error) => {
                self.incoming.discard(discard);
                return Err(error);
            }
        };
        self.incoming.discard(discard);
        Ok(want)
    }

    /// Sends what is to be sent.
    fn flush(&mut self, stream: &mut TcpStream) -> io::Result<Step> {
        let step = flush(stream, &self.outgoing, &mut self.sent)?;
        if let Step::Done(_) = step {
            self.outgoing.clear();
            self.sent = 0;
        } else if self.outgoing.len() > MAX_OUTGOING {
            return Err(io::Error::other("the peer asks for more than it reads"));
        }
        Ok(step)
    }
}

impl Incoming {
    /// The bytes that are there.
    fn filled(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    fn discard(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Reads more; what is there is less than rustls can use.
    fn fill(&mut self, stream: &mut TcpStream) -> io::Result<Step> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // rustls refuses records and handshake messages long before that.
        if self.end == self.bytes.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a TLS message without end"));
        }
        let step = receive(stream, &mut self.bytes[self.end..])?;
        if let Step::Done(count) = step {
            self.end += count;
        }
        Ok(step)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the request nor the plain text.
        f.debug_struct("Session").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Appends what `write` writes, which says how much room it needs if there is too little.
fn append(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<Result<usize, usize>, TlsError>,
) -> Result<(), TlsError> {
    let before = out.len();
    let mut room = 1024;
    loop {
        out.resize(before + room, 0);
        match write(&mut out[before..])? {
            Ok(count) => {
                out.truncate(before + count);
                return Ok(());
            }
            Err(needed) if needed > room => room = needed,
            Err(_) => return Err(TlsError::General("no room is enough".to_owned())),
        }
    }
}

/// The most plain text in a record (RFC 8446, 5.1).
const RECORD: usize = 16 * 1024;

/// Plain text that is encrypted at once: sixteen records.
const WRITE: usize = 16 * RECORD;

/// Bytes taken from the socket at once: 32 records, and what may be left of one before them.
const INCOMING: usize = 32 * RECORD + 18 * 1024;

/// What may wait to be sent: a request with large headers, and answers to changes of keys.
const MAX_OUTGOING: usize = 1024 * 1024;

/// The connection ended in the middle of the handshake.
const CUT: io::ErrorKind = io::ErrorKind::UnexpectedEof;
