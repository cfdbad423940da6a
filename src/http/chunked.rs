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
