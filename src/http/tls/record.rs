//! TLS records, opened and sealed where they lie. Pure: neither socket nor handshake.
//!
//! Their forms are those of RFC 8446 (5.2) for TLS 1.3, and for TLS 1.2 of RFC 5288 (AES-GCM) and
//! RFC 7905 (ChaCha20-Poly1305): rustls agrees on nothing else. The cryptography is ring's.

use std::fmt;

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error as TlsError, InvalidMessage, PeerMisbehaved,
    ProtocolVersion,
};

/// The most plain text in a record.
pub(crate) const CONTENT: usize = 16 * 1024;

/// The most bytes of a record on the wire: what TLS 1.2 allows its protection to add.
pub(super) const WIRE: usize = HEADER + CONTENT + 2048;

/// Type, version, length of the rest.
const HEADER: usize = 5;

const TAG: usize = 16;

/// The part of a nonce that AES-GCM sends along in TLS 1.2.
const EXPLICIT: usize = 8;

/// Opens the peer's records, in their order.
pub(crate) struct Opener(Protection);

/// Seals ours.
pub(crate) struct Sealer(Protection);

/// A record that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) kind: ContentType,
    /// How long its content is.
    pub(crate) content: usize,
    /// How long it was on the wire.
    pub(crate) wire: usize,
}

/// The key of one direction, and how it is used.
struct Protection {
    key: LessSafeKey,
    iv: [u8; aead::NONCE_LEN],
    form: Form,
    /// The number of the next record.
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Tls13,
    Tls12Gcm,
    Tls12ChaCha,
}

impl Opener {
    /// Opens what is sealed with these secrets, from the record of this number on.
    pub(crate) fn new(
        version: ProtocolVersion,
        secrets: (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, TlsError> {
        Protection::new(version, secrets).map(Self)
    }

    /// Opens the record that begins at `from`; its content begins at `to`, which is not behind.
    /// None: it is not here to its end.
    ///
    /// # Errors
    /// It is none, or none that the peer would have sealed here.
    pub(crate) fn open(
        &mut self,
        bytes: &mut [u8],
        from: usize,
        to: usize,
    ) -> Result<Option<Opened>, TlsError> {
        let Self(protection) = self;
        let rest = bytes.get(from..).unwrap_or_default();
        let Some(header) = rest.first_chunk::<HEADER>().copied() else { return Ok(None) };
        let (outer, length) = protection.form.check(header)?;
        let wire = HEADER + length;
        let Some(record) = rest.get(..wire) else { return Ok(None) };
        let explicit = protection.form.explicit();
        let content = length.checked_sub(explicit + TAG).ok_or(TlsError::DecryptError)?;
        let nonce = match record.get(HEADER..HEADER + explicit) {
            Some(sent) if explicit > 0 => protection.nonce_with(sent),
            _ => protection.nonce(),
        };
        let additional = protection.additional(header, content);
        let sealed = from + HEADER + explicit;
        let opened = bytes
            .get_mut(to..from + wire)
            .and_then(|place| {
                let nonce = Nonce::assume_unique_for_key(nonce);
                protection.key.open_within(nonce, Aad::from(additional), place, sealed - to..).ok()
            })
            .ok_or(TlsError::DecryptError)?;
        let (kind, content) = match protection.form {
            Form::Tls13 if opened.len() > CONTENT + 1 => {
                return Err(TlsError::PeerSentOversizedRecord);
            }
            Form::Tls13 => inner(opened)?,
            Form::Tls12Gcm | Form::Tls12ChaCha => (outer, opened.len()),
        };
        if content > CONTENT {
            return Err(TlsError::PeerSentOversizedRecord);
        }
        protection.number = protection.number.checked_add(1).ok_or(TlsError::DecryptError)?;
        Ok(Some(Opened { kind, content, wire }))
    }
}

impl Sealer {
    /// Seals with these secrets, from the record of this number on.
    pub(crate) fn new(
        version: ProtocolVersion,
        secrets: (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, TlsError> {
        Protection::new(version, secrets).map(Self)
    }

    /// How many records the key has sealed.
    pub(super) fn sealed(&self) -> u64 {
        self.0.number
    }

    /// Appends a record to `out`. The peer takes at most [`CONTENT`] bytes of content.
    ///
    /// # Errors
    /// It is longer than a record can be, or the key has sealed as many as have numbers.
    pub(crate) fn seal(
        &mut self,
        kind: ContentType,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        let Self(protection) = self;
        let next = protection.number.checked_add(1).ok_or(TlsError::EncryptError)?;
        let is_hidden = protection.form == Form::Tls13;
        let explicit = protection.form.explicit();
        let inner = content.len() + usize::from(is_hidden);
        let length = u16::try_from(explicit + inner + TAG).map_err(|_| TlsError::EncryptError)?;
        let [high, low] = length.to_be_bytes();
        let outer = if is_hidden { ContentType::ApplicationData } else { kind };
        let header = [u8::from(outer), 3, 3, high, low];
        let nonce = protection.nonce();
        let before = out.len();
        out.extend_from_slice(&header);
        out.extend_from_slice(&nonce[nonce.len() - explicit..]);
        let start = out.len();
        out.extend_from_slice(content);
        if is_hidden {
            out.push(u8::from(kind));
        }
        let additional = Aad::from(protection.additional(header, inner));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let place = out.get_mut(start..).unwrap_or_default();
        let Ok(tag) = protection.key.seal_in_place_separate_tag(nonce, additional, place) else {
            // What is there is not sealed.
            out.truncate(before);
            return Err(TlsError::EncryptError);
        };
        out.extend_from_slice(tag.as_ref());
        protection.number = next;
        Ok(())
    }
}

impl Protection {
    fn new(
        version: ProtocolVersion,
        (number, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, TlsError> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&aead::AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&aead::AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&aead::CHACHA20_POLY1305, key, iv)
            }
            _ => return Err(unknown("a suite")),
        };
        let form = match version {
            ProtocolVersion::TLSv1_3 => Form::Tls13,
            ProtocolVersion::TLSv1_2 if *algorithm == aead::CHACHA20_POLY1305 => Form::Tls12ChaCha,
            ProtocolVersion::TLSv1_2 => Form::Tls12Gcm,
            _ => return Err(unknown("a version")),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| unknown("a key"))?;
        let iv = iv.as_ref().try_into().map_err(|_| unknown("a nonce"))?;
        Ok(Self { key: LessSafeKey::new(key), iv, form, number })
    }

    /// The nonce of the next record: no other has its number.
    fn nonce(&self) -> [u8; aead::NONCE_LEN] {
        let mut nonce = self.iv;
        let number = self.number.to_be_bytes();
        nonce.iter_mut().rev().zip(number.iter().rev()).for_each(|(byte, digit)| *byte ^= digit);
        nonce
    }

    /// The nonce of which the peer has sent a part.
    fn nonce_with(&self, sent: &[u8]) -> [u8; aead::NONCE_LEN] {
        let mut nonce = self.iv;
        nonce.iter_mut().rev().zip(sent.iter().rev()).for_each(|(byte, sent)| *byte = *sent);
        nonce
    }

    /// What is authenticated beside the content.
    fn additional(&self, header: [u8; HEADER], content: usize) -> Additional {
        let mut bytes = [0; Additional::MOST];
        if self.form == Form::Tls13 {
            bytes[..HEADER].copy_from_slice(&header);
            return Additional { bytes, length: HEADER };
        }
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..11].copy_from_slice(&header[..3]);
        // A record's length is two bytes, and this is less.
        bytes[11..].copy_from_slice(&u16::try_from(content).unwrap_or(u16::MAX).to_be_bytes());
        Additional { bytes, length: Additional::MOST }
    }
}

impl Form {
    /// The bytes of the nonce in a record.
    fn explicit(self) -> usize {
        if self == Self::Tls12Gcm { EXPLICIT } else { 0 }
    }

    /// The type of a record, and how long the rest of it is.
    fn check(
        self,
        [kind, major, _, high, low]: [u8; HEADER],
    ) -> Result<(ContentType, usize), TlsError> {
        let kind = ContentType::from(kind);
        let length = usize::from(u16::from_be_bytes([high, low]));
        if matches!(kind, ContentType::Unknown(_)) {
            return Err(InvalidMessage::InvalidContentType.into());
        }
        if major != 3 {
            return Err(InvalidMessage::UnknownProtocolVersion.into());
        }
        let most = if self == Self::Tls13 { CONTENT + 256 } else { CONTENT + 2048 };
        if length > most {
            return Err(InvalidMessage::MessageTooLarge.into());
        }
        // Everything but the handshake is hidden in TLS 1.3.
        if self == Self::Tls13 && kind != ContentType::ApplicationData {
            let expect_types = vec![ContentType::ApplicationData];
            return Err(TlsError::InappropriateMessage { expect_types, got_type: kind });
        }
        Ok((kind, length))
    }
}

/// The type of a record of TLS 1.3, which stands behind its content and before zeros, and the
/// content's length.
fn inner(opened: &[u8]) -> Result<(ContentType, usize), TlsError> {
    let at = opened.iter().rposition(|&byte| byte != 0);
    let at = at.ok_or(PeerMisbehaved::IllegalTlsInnerPlaintext)?;
    Ok((ContentType::from(opened[at]), at))
}

fn unknown(what: &str) -> TlsError {
    TlsError::General(format!("{what} that is not known here"))
}

/// Additional data: as it is for TLS 1.3, or with the record's number.
struct Additional {
    bytes: [u8; Self::MOST],
    length: usize,
}

impl Additional {
    const MOST: usize = 13;
}

impl AsRef<[u8]> for Additional {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key.
        f.debug_struct("Protection").field("form", &self.form).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::cipher::{AeadKey, Iv};

    use super::*;

    const FORMS: [(ProtocolVersion, bool); 4] = [
        (ProtocolVersion::TLSv1_3, false),
        (ProtocolVersion::TLSv1_3, true),
        (ProtocolVersion::TLSv1_2, false),
        (ProtocolVersion::TLSv1_2, true),
    ];

    fn secrets(is_chacha: bool) -> (u64, ConnectionTrafficSecrets) {
        let (key, iv) = (AeadKey::from([7; 32]), Iv::new([9; 12]));
        let secrets = match is_chacha {
            false => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
            true => ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv },
        };
        (u64::from(u32::MAX), secrets)
    }

    fn pair((version, is_chacha): (ProtocolVersion, bool)) -> (Sealer, Opener) {
        let sealer = Sealer::new(version, secrets(is_chacha)).unwrap();
        (sealer, Opener::new(version, secrets(is_chacha)).unwrap())
    }

    #[test]
    fn contents_move_up_to_each_other() {
        for form in FORMS {
            let (mut sealer, mut opener) = pair(form);
            let data: Vec<u8> = (0..40_000u32).map(|n| n.to_le_bytes()[0]).collect();
            let mut bytes = b"before".to_vec();
            for content in [&data[..1], &data[1..1], &data[1..16_385], &data[16_385..30_000]] {
                sealer.seal(ContentType::ApplicationData, content, &mut bytes).unwrap();
            }
            let whole = bytes.len();
            bytes.extend_from_slice(&[23, 3, 3, 0, 90, 1, 2]);
            let (mut from, mut to) = (6, 6);
            while let Some(Opened { kind, content, wire }) =
                opener.open(&mut bytes, from, to).unwrap()
            {
                assert_eq!(kind, ContentType::ApplicationData, "{form:?}");
                (from, to) = (from + wire, to + content);
            }
            assert_eq!(from, whole, "{form:?}");
            assert!(bytes[6..to] == data[..30_000], "{form:?}");
        }
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        for form in FORMS {
            let mut sealed = Vec::new();
            pair(form).0.seal(ContentType::Alert, b"content", &mut sealed).unwrap();
            for at in 0..sealed.len() {
                for bit in 0..8 {
                    let mut changed = sealed.clone();
                    changed[at] ^= 1 << bit;
                    // The length says that more is to come, or it is refused.
                    let opened = pair(form).1.open(&mut changed, 0, 0);
                    assert!(!matches!(opened, Ok(Some(_))), "{form:?}, byte {at}, bit {bit}");
                }
            }
            for short in 0..sealed.len() {
                let opened = pair(form).1.open(&mut sealed[..short].to_vec(), 0, 0);
                assert_eq!(opened, Ok(None), "{form:?}, {short} bytes");
            }
            assert!(pair(form).1.open(&mut sealed, 0, 0).unwrap().is_some(), "{form:?}");
        }
    }

    #[test]
    fn a_record_is_opened_once_and_in_its_turn() {
        for form in FORMS {
            let (mut sealer, mut opener) = pair(form);
            let (mut first, mut second) = (Vec::new(), Vec::new());
            sealer.seal(ContentType::ApplicationData, b"1", &mut first).unwrap();
            sealer.seal(ContentType::ApplicationData, b"2", &mut second).unwrap();
            let early = pair(form).1.open(&mut second.clone(), 0, 0);
            assert_eq!(early, Err(TlsError::DecryptError), "{form:?}");
            assert!(opener.open(&mut first.clone(), 0, 0).unwrap().is_some(), "{form:?}");
            assert_eq!(opener.open(&mut first, 0, 0), Err(TlsError::DecryptError), "{form:?}");
        }
    }

    #[test]
    fn numbers_do_not_begin_again() {
        for form in FORMS {
            let (_, secrets) = secrets(form.1);
            let mut sealer = Sealer::new(form.0, (u64::MAX, secrets)).unwrap();
            let mut out = Vec::new();
            let sealed = sealer.seal(ContentType::ApplicationData, b"1", &mut out);
            assert_eq!((sealed, out.len()), (Err(TlsError::EncryptError), 0), "{form:?}");
        }
    }

    #[test]
    fn a_type_behind_zeros_is_found() {
        let (mut sealer, mut opener) = pair(FORMS[0]);
        let mut bytes = Vec::new();
        sealer.seal(ContentType::from(0), b"data\0\x17\0\0\0", &mut bytes).unwrap();
        let Opened { kind, content, .. } = opener.open(&mut bytes, 0, 0).unwrap().unwrap();
        assert_eq!((kind, &bytes[..content]), (ContentType::ApplicationData, &b"data\0"[..]));
        bytes.clear();
        sealer.seal(ContentType::from(0), b"\0\0", &mut bytes).unwrap();
        let nothing = TlsError::PeerMisbehaved(PeerMisbehaved::IllegalTlsInnerPlaintext);
        assert_eq!(opener.open(&mut bytes, 0, 0), Err(nothing));
    }
}
