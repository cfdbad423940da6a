//! The handshake, which is rustls's from its first byte to its last.

use std::io;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, Error as TlsError};

use super::channel::Channel;
use super::outgoing::Outgoing;
use crate::http::transport::{Fault, Step, receive};

/// A handshake under way, and the request that is sealed with its last turn.
pub(super) struct Handshake {
    connection: UnbufferedClientConnection,
    request: Vec<u8>,
    incoming: Vec<u8>,
    filled: usize,
    /// Bytes that have come so far.
    received: usize,
    /// Data that came before the request was sent: of a server that is too busy to hear it.
    early: Vec<u8>,
    outgoing: Outgoing,
}

/// What rustls wants next.
enum Want {
    /// Another turn.
    Turn,
    /// More bytes.
    Bytes,
    /// Nothing: the handshake is over, every byte that came belonged to it, and the request is sealed.
    Over,
}

impl Handshake {
    pub(super) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        request: Vec<u8>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            connection: UnbufferedClientConnection::new(config, name)?,
            request,
            incoming: vec![0; INCOMING],
            filled: 0,
            received: 0,
            early: Vec::new(),
            outgoing: Outgoing::default(),
        })
    }

    /// Goes on; `Done` when it is over. The request may not be sent yet.
    pub(super) fn advance(&mut self, stream: &mut TcpStream) -> Result<Step, Fault> {
        loop {
            let want = match self.turn() {
                Ok(want) => want,
                Err(error) => {
                    // The next thing that rustls wants is to tell the peer why, for its log. It
                    // must not be asked for more: it would look at the same bytes again.
                    let _ = self.turn();
                    let _ = self.outgoing.flush(stream);
                    return Err(error);
                }
            };
            match want {
                Want::Turn => continue,
                Want::Over => return Ok(Step::Done(0)),
                Want::Bytes => {}
            }
            // What the peer waits for, before it is waited for.
            if let Step::Blocked = self.outgoing.flush(stream)? {
                return Ok(Step::Blocked);
            }
            // rustls refuses messages long before that.
            let Some(room) = self.incoming.get_mut(self.filled..).filter(|room| !room.is_empty())
            else {
                return Err(invalid("a TLS message without end"));
            };
            match receive(stream, room)? {
                // A peer whose tickets follow each other without end would keep the thread.
                Step::Done(_) if self.received > MOST => {
                    return Err(invalid("a TLS handshake without end"));
                }
                Step::Done(count) => {
                    self.filled += count;
                    self.received += count;
                }
                Step::Blocked => return Ok(Step::Blocked),
                Step::Closed { .. } => return Err(io::Error::from(CUT).into()),
            }
        }
    }

    /// Whether something waits for room in the socket.
    pub(super) fn is_sending(&self) -> bool {
        self.outgoing.is_waiting()
    }

    /// What follows it, when it is over, and the data that have come.
    pub(super) fn into_channel(self) -> Result<(Channel, Vec<u8>), TlsError> {
        // "Dangerous" since the keys are to stay secret: they go from rustls to ring.
        let (secrets, keeper) = self.connection.dangerous_into_kernel_connection()?;
        Ok((Channel::new(keeper, secrets, self.outgoing)?, self.early))
    }

    /// One turn of rustls's state machine.
    fn turn(&mut self) -> Result<Want, Fault> {
        let filled = self.incoming.get_mut(..self.filled).unwrap_or_default();
        let UnbufferedStatus { discard, state } = self.connection.process_tls_records(filled);
        let is_rest = discard < self.filled;
        let want = match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                let encode = |room: &mut [u8]| match data.encode(room) {
                    Err(EncodeError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                    Err(EncodeError::AlreadyEncoded) => Ok(Ok(0)),
                    Ok(count) => Ok(Ok(count)),
                };
                append(self.outgoing.bytes(), encode).map(|()| Want::Turn)
            }
            // It is in `outgoing` now, which keeps the order.
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Want::Turn)
            }
            Ok(ConnectionState::BlockedHandshake) => Ok(Want::Bytes),
            // A part of a record, or of a message: rustls is to have all of it.
            Ok(ConnectionState::WriteTraffic(_)) if is_rest => Ok(Want::Bytes),
            // It is sealed by rustls, which may owe the peer a word before it.
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let seal = |room: &mut [u8]| match traffic.encrypt(&self.request, room) {
                    Err(EncryptError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                    Err(EncryptError::EncryptExhausted) => Err(TlsError::EncryptError.into()),
                    Ok(count) => Ok(Ok(count)),
                };
                append(self.outgoing.bytes(), seal).map(|()| Want::Over)
            }
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut read = Ok(Want::Turn);
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => self.early.extend_from_slice(record.payload),
                        Err(error) => read = Err(error.into()),
                    }
                }
                read
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                Err(io::Error::from(CUT).into())
            }
            Ok(_) => Err(TlsError::General("an unknown state of the handshake".to_owned()).into()),
            Err(error) => Err(error.into()),
        };
        self.incoming.copy_within(discard..self.filled, 0);
        self.filled -= discard;
        want
    }
}

/// Appends what `write` writes, which says how much room it needs if there is too little.
fn append(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<Result<usize, usize>, Fault>,
) -> Result<(), Fault> {
    let before = out.len();
    let mut room = 1024;
    loop {
        out.resize(before + room, 0);
        match write(out.get_mut(before..).unwrap_or_default())? {
            Ok(count) => {
                out.truncate(before + count);
                return Ok(());
            }
            Err(needed) if needed > room => room = needed,
            Err(_) => return Err(TlsError::General("no room is enough".to_owned()).into()),
        }
    }
}

fn invalid(why: &str) -> Fault {
    io::Error::new(io::ErrorKind::InvalidData, why).into()
}

/// The connection ended in the middle of the handshake.
const CUT: io::ErrorKind = io::ErrorKind::UnexpectedEof;

/// More than a handshake's longest message (64 KiB) and a record before it.
const INCOMING: usize = 128 * 1024;

/// More than all messages of a handshake have, a long chain of certificates among them.
const MOST: usize = 2 * INCOMING;
