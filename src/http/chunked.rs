//! Chunked bodies (RFC 9112, 7.1), decoded in place. Pure.
//!
//! The sizes and line ends between the payloads are squeezed out of the buffer that was read
//! into, so a chunked body costs one read and no second buffer. Works over any split of the bytes.

use thiserror::Error;

/// Decodes one chunked body.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    /// Bytes of the present size line, or of all trailers.
    line: usize,
}

/// What [`Decoder::decode`] left in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) struct Decoded {
    /// Bytes of payload, at the front of the buffer.
    pub(crate) payload: usize,
    /// The body is at its end. What came behind it is dropped: the connection has one response.
    pub(crate) ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a size; whether there was one yet.
    Size { size: u64, digits: bool },
    /// Behind the size: white space, extensions.
    Extension { size: u64 },
    /// Behind the CR of the size line.
    SizeEnd { size: u64 },
    /// In a payload, with so many bytes to come.
    Payload { left: u64 },
    /// Behind a payload.
    PayloadEnd,
    /// Behind the CR behind a payload.
    PayloadEndLf,
    /// In the trailers; `empty` while the line has no byte yet.
    Trailer { empty: bool },
    /// Behind a CR in the trailers.
    TrailerLf { empty: bool },
    /// At the end.
    Ended,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { size: 0, digits: false }
    }
}

impl Decoder {
    /// Decodes what was read, in place: the payload is moved to the front of `buf`.
    ///
    /// # Errors
    /// The bytes are not chunks. Nothing of the buffer may be used then.
    pub(crate) fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, ChunkError> {
        let mut at = 0;
        let mut payload = 0;
        while at < buf.len() && self.state != State::Ended {
            if let State::Payload { left } = self.state {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len() - at);
                buf.copy_within(at..at + here, payload);
                at += here;
                payload += here;
                self.state = match left - here as u64 {
                    0 => State::PayloadEnd,
                    left => State::Payload { left },
                };
            } else if let Some(&byte) = buf.get(at) {
                self.state = self.after(byte)?;
                at += 1;
            }
        }
        Ok(Decoded { payload, ended: self.state == State::Ended })
    }

    /// The state behind one byte that is not payload.
    fn after(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.line += 1;
        let state = match (self.state, byte) {
            (State::Size { size, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                State::Size { size: append(size, byte)?, digits: true }
            }
            (State::Size { size, digits: true } | State::Extension { size }, b'\r') => {
                State::SizeEnd { size }
            }
            (State::Size { size, digits: true }, b';' | b' ' | b'\t') => State::Extension { size },
            // A bare LF in an extension is where two readers have differed before.
            (State::Extension { size }, byte) if byte != b'\n' => State::Extension { size },
            (State::SizeEnd { size }, b'\n') => {
                self.line = 0;
                match size {
                    0 => State::Trailer { empty: true },
                    left => State::Payload { left },
                }
            }
            (State::PayloadEnd, b'\r') => State::PayloadEndLf,
            (State::PayloadEndLf, b'\n') => {
                self.line = 0;
                State::default()
            }
            (State::Trailer { empty }, b'\r') => State::TrailerLf { empty },
            (State::Trailer { .. }, byte) if byte != b'\n' => State::Trailer { empty: false },
            (State::TrailerLf { empty: true }, b'\n') => State::Ended,
            (State::TrailerLf { empty: false }, b'\n') => State::Trailer { empty: true },
            (State::Size { .. }, _) => return Err(ChunkError::Size),
            _ => return Err(ChunkError::LineEnd),
        };
        if self.line > MAX_LINE {
            return Err(ChunkError::TooLong);
        }
        Ok(state)
    }
}

/// The size with one hexadecimal digit more.
fn append(size: u64, digit: u8) -> Result<u64, ChunkError> {
    let digit = char::from(digit).to_digit(16).ok_or(ChunkError::Size)?;
    size.checked_mul(16).map(|size| size | u64::from(digit)).ok_or(ChunkError::Size)
}

/// Bytes of a size line with its extensions, and of all trailers: nobody sends more, and without
/// a limit a peer could send them for ever.
const MAX_LINE: usize = 16 * 1024;

/// What is wrong with a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// No hexadecimal number, or one beyond 64 bits.
    #[error("a chunk's size is not a number")]
    Size,
    /// Something else where a line has to end.
    #[error("a chunk does not end where it says")]
    LineEnd,
    /// Extensions or trailers without end.
    #[error("a chunk's extensions or the trailers are longer than {MAX_LINE} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes pieces as they come, and says whether the end was seen.
    fn decode<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Vec<u8>, bool), ChunkError> {
        let mut decoder = Decoder::default();
        let mut all = Vec::new();
        let mut ended = false;
        for piece in pieces {
            let mut buf = piece.to_vec();
            let decoded = decoder.decode(&mut buf)?;
            all.extend_from_slice(&buf[..decoded.payload]);
            ended = decoded.ended;
        }
        Ok((all, ended))
    }

    fn once(bytes: &[u8]) -> Result<(Vec<u8>, bool), ChunkError> {
        decode([bytes])
    }

    #[test]
    fn every_split_in_three_gives_the_same() {
        let bytes = b"5;a=\"b\"\r\nhello\r\n00A \r\n 0\r\n\r\nabcd\r\n0\r\nT: x\r\nU: y\r\n\r\n";
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let outcome = decode(pieces).unwrap();
                assert_eq!(outcome, (b"hello 0\r\n\r\nabcd".to_vec(), true), "{first}, {second}");
            }
        }
    }

    #[test]
    fn an_adversary_that_cuts_and_pads_changes_nothing() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut payload = Vec::new();
            let mut wire = Vec::new();
            for _ in 0..random.usize(0..20) {
                let size = random.usize(1..300);
                let chunk: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(size).collect();
                let extension = *random.choice(["", ";x", " ; y=\"1\"", "\t"].iter()).unwrap();
                wire.extend(format!("{size:x}{extension}\r\n").into_bytes());
                wire.extend(&chunk);
                wire.extend(b"\r\n");
                payload.extend(chunk);
            }
            wire.extend(b"0\r\n");
            if random.bool() {
                wire.extend(b"Checksum: 1\r\n");
            }
            wire.extend(b"\r\n");
            let cut = random.usize(1..wire.len());
            let pieces = wire.chunks(random.usize(1..400));
            assert_eq!(decode(pieces).unwrap(), (payload.clone(), true), "seed {seed}");
            let (start, ended) = once(&wire[..cut]).unwrap();
            assert!(!ended && payload.starts_with(&start), "seed {seed}, cut at {cut}");
        }
    }

    #[test]
    fn what_comes_behind_the_end_is_dropped() {
        let (payload, ended) = once(b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert_eq!((payload.as_slice(), ended), (&b"a"[..], true));
    }

    #[test]
    fn what_is_not_chunked_is_an_error() {
        for (bytes, expected) in [
            (&b"\r\n"[..], ChunkError::Size),
            (b"x\r\n", ChunkError::Size),
            (b"-1\r\n", ChunkError::Size),
            (b" 1\r\na\r\n", ChunkError::Size),
            (b"0x1\r\na\r\n", ChunkError::Size),
            (b";\r\n", ChunkError::Size),
            (b"1\na\r\n", ChunkError::Size),
            (b"10000000000000000\r\n", ChunkError::Size),
            (b"1\r\nab\r\n", ChunkError::LineEnd),
            (b"1\r\na\n", ChunkError::LineEnd),
            (b"1;x\na\r\n", ChunkError::LineEnd),
            (b"1\rx", ChunkError::LineEnd),
            (b"0\r\nT: x\n\r\n", ChunkError::LineEnd),
            (b"0\r\n\r\r", ChunkError::LineEnd),
        ] {
            assert_eq!(once(bytes), Err(expected), "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(once(b"FFFFFFFFFFFFFFFF\r\na"), Ok((b"a".to_vec(), false)));
    }

    #[test]
    fn extensions_and_trailers_have_a_limit_and_payloads_have_none() {
        let long = "x".repeat(MAX_LINE);
        assert_eq!(once(format!("1;{long}").as_bytes()), Err(ChunkError::TooLong));
        assert_eq!(once(format!("0\r\n{long}\r\n").as_bytes()), Err(ChunkError::TooLong));
        assert_eq!(once("0".repeat(MAX_LINE + 1).as_bytes()), Err(ChunkError::TooLong));
        let trailers = "T: x\r\n".repeat(MAX_LINE / 6 + 1);
        assert_eq!(once(format!("0\r\n{trailers}").as_bytes()), Err(ChunkError::TooLong));
        let many = "1\r\na\r\n".repeat(MAX_LINE);
        assert_eq!(once(many.as_bytes()), Ok((vec![b'a'; MAX_LINE], false)));
    }

    #[test]
    fn noise_never_gives_more_than_was_put_in() {
        for seed in 0..5000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let letters = b"01aF;\r\n\r\n xT:";
            let bytes: Vec<u8> =
                (0..random.usize(0..60)).map(|_| letters[random.usize(..letters.len())]).collect();
            if let Ok((payload, _)) = once(&bytes) {
                assert!(payload.len() <= bytes.len(), "seed {seed}");
            }
        }
    }
}
