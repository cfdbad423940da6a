//! Docker's frames: how stdout and stderr share one attach. Pure, and without allocation.
//!
//! A frame is eight bytes, `[stream, 0, 0, 0, length as u32 big endian]`, and then `length` bytes
//! of payload. The bytes may come in any split: a header over several reads, a payload in many
//! pieces. Reference: "Stream format" of `POST /containers/{id}/attach` in the Engine API.
//!
//! ```
//! use gantline::internal::docker::frame::{Decoder, Stream};
//!
//! let mut decoder = Decoder::new();
//! let mut input: &[u8] = b"\x01\0\0\0\0\0\0\x05hello\x02\0\0\0";
//! let piece = decoder.next(input)?.unwrap();
//! assert_eq!((piece.stream, piece.payload), (Stream::Stdout, &b"hello"[..]));
//! input = &input[piece.consumed..];
//! assert!(decoder.next(input)?.is_none()); // half a header: taken, nothing to hand on yet
//! # Ok::<(), gantline::internal::docker::frame::FrameError>(())
//! ```

/// Takes an attach apart. Holds no payload: pieces borrow from the input.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// Starts at the border of a frame.
    pub const fn new() -> Self {
        Self { state: State::Header { bytes: [0; HEADER], held: 0 } }
    }

    /// Gives the next piece of payload in `input`.
    ///
    /// The caller goes on behind [`Piece::consumed`] bytes. `None` means that all of `input` was
    /// taken and no payload is left in it. A piece is never empty.
    ///
    /// # Errors
    /// The bytes are not frames. There is no way to find the next border, so the decoder is of no
    /// use any more.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<Option<Piece<'a>>, FrameError> {
        let mut rest = input;
        loop {
            match &mut self.state {
                State::Header { bytes, held } => {
                    let wanted = bytes.get_mut(*held..).unwrap_or_default();
                    let taken = wanted.len().min(rest.len());
                    let (head, tail) = rest.split_at(taken);
                    for (to, from) in wanted.iter_mut().zip(head) {
                        *to = *from;
                    }
                    *held += taken;
                    rest = tail;
                    if *held < HEADER {
                        return Ok(None);
                    }
                    self.state = State::after_header(*bytes)?;
                }
                State::Payload { stream, left } => {
                    if rest.is_empty() {
                        return Ok(None);
                    }
                    let stream = *stream;
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let (payload, tail) = rest.split_at(rest.len().min(most));
                    // No more than `left`, which is a u32.
                    *left -= u32::try_from(payload.len()).unwrap_or(*left);
                    if *left == 0 {
                        self.state = Self::new().state;
                    }
                    let consumed = input.len() - tail.len();
                    return Ok(Some(Piece { stream, payload, consumed }));
                }
            }
        }
    }

    /// Is told that no more bytes come.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] when that is inside a frame.
    pub const fn ended(&self) -> Result<(), FrameError> {
        match self.state {
            State::Header { held: 0, .. } => Ok(()),
            _ => Err(FrameError::Truncated),
        }
    }
}

/// A part of one frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The stream that it belongs to.
    pub stream: Stream,
    /// The bytes; at least one.
    pub payload: &'a [u8],
    /// How much of the input is used up, headers included.
    pub consumed: usize,
}

/// The streams of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stream {
    /// What was written to the container; engines echo it with a TTY only.
    Stdin,
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// The bytes of an attach are not frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A header that no engine writes: most likely the bytes are not framed at all.
    #[error("the engine sent {0:02x?} where the header of a frame belongs")]
    Header([u8; HEADER]),
    /// The bytes ended inside a frame.
    #[error("the engine ended the streams inside a frame")]
    Truncated,
}

/// Bytes of a frame's header.
const HEADER: usize = 8;

#[derive(Debug)]
enum State {
    Header { bytes: [u8; HEADER], held: usize },
    Payload { stream: Stream, left: u32 },
}

impl State {
    const fn after_header(header: [u8; HEADER]) -> Result<Self, FrameError> {
        let [stream, 0, 0, 0, length @ ..] = header else {
            return Err(FrameError::Header(header));
        };
        let stream = match stream {
            0 => Stream::Stdin,
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => return Err(FrameError::Header(header)),
        };
        match u32::from_be_bytes(length) {
            0 => Ok(Decoder::new().state),
            left => Ok(Self::Payload { stream, left }),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Decoder::new().state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Feeds `input` in one read and collects what comes out, stream by stream.
    fn feed(decoder: &mut Decoder, mut input: &[u8], out: &mut [Vec<u8>; 3]) {
        while let Some(piece) = decoder.next(input).unwrap() {
            assert!(!piece.payload.is_empty());
            assert!(piece.consumed >= piece.payload.len());
            out[piece.stream as usize].extend_from_slice(piece.payload);
            input = &input[piece.consumed..];
        }
    }

    #[test]
    fn a_payload_is_handed_on_as_it_comes() {
        let mut decoder = Decoder::new();
        let bytes = frame(1, b"hello");
        let piece = decoder.next(&bytes[..10]).unwrap().unwrap();
        assert_eq!(piece, Piece { stream: Stream::Stdout, payload: b"he", consumed: 10 });
        assert_eq!(decoder.ended(), Err(FrameError::Truncated));
        let piece = decoder.next(&bytes[10..]).unwrap().unwrap();
        assert_eq!(piece, Piece { stream: Stream::Stdout, payload: b"llo", consumed: 3 });
        assert_eq!(decoder.ended(), Ok(()));
    }

    #[test]
    fn no_input_gives_nothing_in_any_state() {
        let mut decoder = Decoder::new();
        for byte in &frame(2, b"x")[..8] {
            assert_eq!(decoder.next(&[]), Ok(None));
            assert_eq!(decoder.next(std::slice::from_ref(byte)), Ok(None));
        }
        assert_eq!(decoder.next(&[]), Ok(None));
        assert_eq!(decoder.next(b"x").unwrap().unwrap().stream, Stream::Stderr);
    }

    #[test]
    fn an_empty_frame_is_passed_over() {
        let mut decoder = Decoder::new();
        let bytes = [frame(1, b""), frame(2, b""), frame(2, b"x")].concat();
        let piece = decoder.next(&bytes).unwrap().unwrap();
        assert_eq!(piece, Piece { stream: Stream::Stderr, payload: b"x", consumed: 25 });
        assert_eq!(decoder.next(&frame(1, b"")), Ok(None));
        assert_eq!(decoder.ended(), Ok(()));
    }

    #[test]
    fn the_longest_length_takes_no_memory() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.next(&[1, 0, 0, 0, 255, 255, 255, 255]), Ok(None));
        assert_eq!(decoder.next(b"abc").unwrap().unwrap().payload, b"abc");
        assert_eq!(decoder.ended(), Err(FrameError::Truncated));
    }

    #[test]
    fn bytes_that_are_no_frames_are_refused() {
        let text: [u8; 8] = *b"plain te";
        assert_eq!(Decoder::new().next(b"plain text"), Err(FrameError::Header(text)));
        let unknown = [3, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(Decoder::new().next(&unknown), Err(FrameError::Header(unknown)));
        let padded = [1, 0, 7, 0, 0, 0, 0, 1];
        assert_eq!(Decoder::new().next(&padded), Err(FrameError::Header(padded)));
    }

    #[test]
    fn a_header_cut_short_is_noticed_at_the_end() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.next(&[1, 0, 0]), Ok(None));
        assert_eq!(decoder.ended(), Err(FrameError::Truncated));
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_streams() {
        let seed = std::env::var("GANTLINE_TEST_SEED")
            .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("GANTLINE_TEST_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..300 {
            let mut bytes = Vec::new();
            let mut expected = [const { Vec::new() }; 3];
            for _ in 0..random.usize(0..20) {
                let stream = random.u8(0..3);
                let longest = if random.bool() { 4 } else { 40_000 };
                let mut payload = vec![0; random.usize(0..longest)];
                random.fill(&mut payload);
                bytes.extend(frame(stream, &payload));
                expected[usize::from(stream)].extend_from_slice(&payload);
            }
            let mut decoder = Decoder::new();
            let mut found = [const { Vec::new() }; 3];
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let longest = if random.bool() { 3 } else { 50_000 };
                let (read, later) = rest.split_at(random.usize(1..=longest).min(rest.len()));
                feed(&mut decoder, read, &mut found);
                rest = later;
            }
            assert!(found == expected, "seed {seed}");
            assert_eq!(decoder.ended(), Ok(()), "seed {seed}");
        }
    }

    #[test]
    fn arbitrary_bytes_neither_panic_nor_stall() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2_000 {
            let length = random.usize(0..200);
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..) & random.u8(0..4)).collect();
            let mut decoder = Decoder::new();
            let mut rest = &bytes[..];
            while let Ok(Some(piece)) = decoder.next(rest) {
                assert!(piece.consumed > 0 && piece.consumed <= rest.len(), "seed {seed}");
                rest = &rest[piece.consumed..];
            }
        }
    }
}
