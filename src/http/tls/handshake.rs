//! The handshake, which is rustls's from its first byte to its last.

use std::io;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, Error as TlsError};

use super::channel::Channel;
use super::outgoing::Outgoing;
use crate::http::transport::{Fault, Step, receive};

/// A handshake under way.
pub(super) struct Handshake {
    connection: UnbufferedClientConnection,
    incoming: Vec<u8>,
    filled: usize,
    outgoing: Outgoing,
}

/// What rustls wants next.
enum Want {
    /// Another turn.
    Turn,
    /// More bytes.
    Bytes,
    /// Nothing: the handshake is over, and every byte that came belonged to it.
    Over,
}

impl Handshake {
    pub(super) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            connection: UnbufferedClientConnection::new(config, name)?,
            incoming: vec![0; INCOMING],
            filled: 0,
            outgoing: Outgoing::default(),
        })
    }

    /// Goes on; `Done` when it is over.
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
                Step::Done(count) => self.filled += count,
                Step::Blocked => return Ok(Step::Blocked),
                Step::Closed { .. } => return Err(io::Error::from(CUT).into()),
            }
        }
    }

    /// What follows it, when it is over.
    pub(super) fn into_channel(self) -> Result<Channel, TlsError> {
        // "Dangerous" since the keys are to stay secret: they go from rustls to ring.
        let (secrets, keeper) = self.connection.dangerous_into_kernel_connection()?;
        Channel::new(keeper, secrets, self.outgoing)
    }

    /// One turn of rustls's state machine.
    fn turn(&mut self) -> Result<Want, Fault> {
        let filled = self.incoming.get_mut(..self.filled).unwrap_or_default();
        let UnbufferedStatus { discard, state } = self.connection.process_tls_records(filled);
        let is_rest = discard < self.filled;
        let want = match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                encode(&mut self.outgoing, |room| data.encode(room)).map(|()| Want::Turn)
            }
            // It is in `outgoing` now, which keeps the order.
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Want::Turn)
            }
            Ok(ConnectionState::BlockedHandshake) => Ok(Want::Bytes),
            // A part of a record, or of a message: rustls is to have all of it.
            Ok(ConnectionState::WriteTraffic(_)) if is_rest => Ok(Want::Bytes),
            Ok(ConnectionState::WriteTraffic(_)) => Ok(Want::Over),
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                Err(io::Error::from(CUT).into())
            }
            Ok(ConnectionState::ReadTraffic(_)) => {
                Err(invalid("the server answers before it is asked"))
            }
            Ok(_) => Err(TlsError::General("an unknown state of the handshake".to_owned()).into()),
            Err(error) => Err(error.into()),
        };
        self.incoming.copy_within(discard..self.filled, 0);
        self.filled -= discard;
        want
    }
}

/// Appends what `encode` writes, which says how much room it needs if there is too little.
fn encode(
    out: &mut Outgoing,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<(), Fault> {
    let bytes = out.bytes();
    let before = bytes.len();
    let mut room = 1024;
    loop {
        bytes.resize(before + room, 0);
        match encode(bytes.get_mut(before..).unwrap_or_default()) {
            Ok(count) => {
                bytes.truncate(before + count);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(size)) if size.required_size > room => {
                room = size.required_size;
            }
            Err(EncodeError::AlreadyEncoded) => {
                bytes.truncate(before);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(_)) => {
                return Err(TlsError::General("no room is enough".to_owned()).into());
            }
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
