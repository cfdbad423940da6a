//! What follows the handshake: application data, and now and then a word of the protocol.

use std::io;

use mio::net::TcpStream;
use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error as TlsError, ExtractedSecrets,
    HandshakeType, InvalidMessage, PeerMisbehaved, ProtocolVersion, SupportedCipherSuite,
};

use super::outgoing::Outgoing;
use super::record::{self, Opener, Sealer};
use crate::http::transport::Step;

/// A session whose handshake is over, without what it has received.
pub(super) struct Channel {
    /// Makes the next keys, and keeps tickets.
    keeper: KernelConnection<ClientConnectionData>,
    opener: Opener,
    sealer: Sealer,
    /// How many records one key may seal.
    pub(super) limit: u64,
    outgoing: Outgoing,
    /// The beginning of a message that goes on in the next record.
    message: Vec<u8>,
    /// Records in a row that had no data.
    barren: u32,
    /// The peer has asked for another handshake.
    has_refused: bool,
    is_over: bool,
}

/// A record that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    /// How much data was in it.
    pub(super) data: usize,
    /// How long it was on the wire.
    pub(super) wire: usize,
}

impl Channel {
    /// Goes on after a handshake, of which `outgoing` is not sent yet.
    pub(super) fn new(
        keeper: KernelConnection<ClientConnectionData>,
        secrets: ExtractedSecrets,
        outgoing: Outgoing,
    ) -> Result<Self, TlsError> {
        let version = keeper.protocol_version();
        let limit = match keeper.negotiated_cipher_suite() {
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        };
        Ok(Self {
            keeper,
            opener: Opener::new(version, secrets.rx)?,
            sealer: Sealer::new(version, secrets.tx)?,
            limit,
            outgoing,
            message: Vec::new(),
            barren: 0,
            has_refused: false,
            is_over: false,
        })
    }

    /// Whether something waits for room in the socket.
    pub(super) fn is_sending(&self) -> bool {
        self.outgoing.is_waiting()
    }

    /// Whether the peer has said that this is all.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Opens the record that begins at `from`: its data begin at `to`, which is not behind. Heeds
    /// one that has none. None: it is not here to its end.
    pub(super) fn open(
        &mut self,
        bytes: &mut [u8],
        from: usize,
        to: usize,
    ) -> Result<Option<Opened>, TlsError> {
        let Some(record::Opened { kind, content, wire }) = self.opener.open(bytes, from, to)?
        else {
            return Ok(None);
        };
        if !self.message.is_empty() && kind != ContentType::Handshake {
            return Err(PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into());
        }
        if kind == ContentType::ApplicationData && content > 0 {
            self.barren = 0;
            return Ok(Some(Opened { data: content, wire }));
        }
        self.barren += 1;
        if self.barren > MOST_BARREN {
            return Err(PeerMisbehaved::TooManyEmptyFragments.into());
        }
        let content = bytes.get(to..to + content).unwrap_or_default();
        match kind {
            ContentType::ApplicationData => {}
            ContentType::Alert => self.heed_alert(content)?,
            ContentType::Handshake => self.heed_messages(content)?,
            got_type => {
                let expect_types = vec![ContentType::ApplicationData];
                return Err(TlsError::InappropriateMessage { expect_types, got_type });
            }
        }
        Ok(Some(Opened { data: 0, wire }))
    }

    /// Seals data, to be sent by [`flush`](Self::flush).
    pub(super) fn seal(&mut self, data: &[u8]) -> Result<(), TlsError> {
        for content in data.chunks(record::CONTENT) {
            if self.sealer.sealed() >= self.limit {
                self.change_our_key()?;
            }
            self.sealer.seal(ContentType::ApplicationData, content, self.outgoing.bytes())?;
        }
        Ok(())
    }

    /// Sends what is sealed; `Done` when nothing is left.
    pub(super) fn flush(&mut self, stream: &mut TcpStream) -> io::Result<Step> {
        self.outgoing.flush(stream)
    }

    /// Tells the peer why it is over, for its log.
    pub(super) fn tell_why(&mut self, stream: &mut TcpStream, error: &TlsError) {
        let description = match error {
            TlsError::AlertReceived(_) => return,
            TlsError::DecryptError => AlertDescription::BadRecordMac,
            TlsError::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
            TlsError::InvalidMessage(_) => AlertDescription::DecodeError,
            TlsError::EncryptError | TlsError::General(_) => AlertDescription::InternalError,
            _ => AlertDescription::UnexpectedMessage,
        };
        let alert = [FATAL, u8::from(description)];
        if self.sealer.seal(ContentType::Alert, &alert, self.outgoing.bytes()).is_ok() {
            let _ = self.flush(stream);
        }
    }

    fn is_tls13(&self) -> bool {
        self.keeper.protocol_version() == ProtocolVersion::TLSv1_3
    }

    /// RFC 8446, 6, and RFC 5246, 7.2: a warning ends a session of TLS 1.3, and not one of TLS 1.2.
    fn heed_alert(&mut self, alert: &[u8]) -> Result<(), TlsError> {
        let &[level, description] = alert else {
            return Err(InvalidMessage::MissingData("alert").into());
        };
        match AlertDescription::from(description) {
            AlertDescription::CloseNotify => self.is_over = true,
            AlertDescription::UserCanceled if self.is_tls13() => {}
            _ if level == WARNING && !self.is_tls13() => {}
            fatal => return Err(TlsError::AlertReceived(fatal)),
        }
        Ok(())
    }

    /// Messages of a handshake go over the bounds of records.
    fn heed_messages(&mut self, content: &[u8]) -> Result<(), TlsError> {
        if content.is_empty() {
            return Err(InvalidMessage::InvalidEmptyPayload.into());
        }
        let mut all = std::mem::take(&mut self.message);
        all.extend_from_slice(content);
        let mut rest = &all[..];
        while let Some((&[kind, high, middle, low], behind)) = rest.split_first_chunk() {
            let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            if length > MOST_MESSAGE {
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            let Some((body, behind)) = behind.split_at_checked(length) else { break };
            self.heed_message(HandshakeType::from(kind), body, behind.is_empty())?;
            rest = behind;
        }
        self.message = rest.to_vec();
        Ok(())
    }

    fn heed_message(
        &mut self,
        kind: HandshakeType,
        body: &[u8],
        is_last: bool,
    ) -> Result<(), TlsError> {
        match (kind, body) {
            (HandshakeType::NewSessionTicket, ticket) if self.is_tls13() => {
                self.keeper.handle_new_session_ticket(ticket)
            }
            (HandshakeType::KeyUpdate, &[asks @ (0 | 1)]) if self.is_tls13() => {
                // What follows is sealed with another key.
                if !is_last {
                    return Err(PeerMisbehaved::KeyEpochWithPendingFragment.into());
                }
                let secrets = self.keeper.update_rx_secret()?;
                self.opener = Opener::new(ProtocolVersion::TLSv1_3, secrets)?;
                if asks == 1 { self.change_our_key() } else { Ok(()) }
            }
            (HandshakeType::KeyUpdate, _) if self.is_tls13() => {
                Err(InvalidMessage::InvalidKeyUpdate.into())
            }
            (HandshakeType::HelloRequest, []) if !self.is_tls13() => self.refuse_handshake(),
            (got_type, _) => Err(TlsError::InappropriateHandshakeMessage {
                expect_types: vec![HandshakeType::NewSessionTicket, HandshakeType::KeyUpdate],
                got_type,
            }),
        }
    }

    /// Another handshake is asked for, and refused, once (RFC 5246, 7.2.2).
    fn refuse_handshake(&mut self) -> Result<(), TlsError> {
        if std::mem::replace(&mut self.has_refused, true) {
            return Err(PeerMisbehaved::TooManyRenegotiationRequests.into());
        }
        let alert = [WARNING, u8::from(AlertDescription::NoRenegotiation)];
        self.sealer.seal(ContentType::Alert, &alert, self.outgoing.bytes())
    }

    /// Seals with the next key from here on.
    fn change_our_key(&mut self) -> Result<(), TlsError> {
        if !self.is_tls13() {
            // TLS 1.2 has no other key for this session.
            return Err(TlsError::EncryptError);
        }
        let not_requested = [u8::from(HandshakeType::KeyUpdate), 0, 0, 1, 0];
        self.sealer.seal(ContentType::Handshake, &not_requested, self.outgoing.bytes())?;
        let secrets: (u64, ConnectionTrafficSecrets) = self.keeper.update_tx_secret()?;
        self.sealer = Sealer::new(ProtocolVersion::TLSv1_3, secrets)?;
        Ok(())
    }
}

/// Levels of alerts (RFC 5246, 7.2).
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// Records without data that may follow each other: a peer that sends nothing else, and fast, would
/// keep the thread. A server's tickets are fewer.
const MOST_BARREN: u32 = 32;

/// A ticket's lifetime, nonce and extensions need not be longer.
const MOST_MESSAGE: usize = 0xffff;
