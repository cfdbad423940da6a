//! Joins the engine's frames to the pump, which know nothing of each other.

use std::error::Error;

use crate::docker::frame::{Decoder, Stream};
use crate::pump::{Outlet, Piece, Split};
use crate::run::transfers::listeners::Listeners;

/// Takes an attach apart for the pump.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    decoder: Decoder,
    listeners: Listeners,
}

impl Frames {
    /// What is taken apart is heard by `listeners`.
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { decoder: Decoder::default(), listeners }
    }
}

impl Split for Frames {
    fn next<'a>(&mut self, input: &'a [u8]) -> Result<Piece<'a>, Box<dyn Error + Send + Sync>> {
        Ok(match self.decoder.next(input)? {
            // A part of a header, which the decoder keeps.
            None => Piece { outlet: None, payload: &[], consumed: input.len() },
            Some(piece) => {
                let outlet = match piece.stream {
                    Stream::Stdout => Some(Outlet::StdOut),
                    Stream::Stderr => Some(Outlet::StdErr),
                    _ => None,
                };
                if let Some(outlet) = outlet {
                    self.listeners.hear(outlet, piece.payload);
                }
                Piece { outlet, payload: piece.payload, consumed: piece.consumed }
            }
        })
    }

    fn end(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.listeners.ended();
        Ok(self.decoder.ended()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_in_two_reads_is_two_pieces_of_one_outlet() {
        let mut frames = Frames::new(Listeners::default());
        let bytes = b"\x02\0\0\0\0\0\0\x03abc";
        let header = frames.next(&bytes[..4]).unwrap();
        assert_eq!((header.outlet, header.consumed), (None, 4));
        assert!(frames.end().is_err());
        let piece = frames.next(&bytes[4..]).unwrap();
        assert_eq!((piece.outlet, piece.payload), (Some(Outlet::StdErr), &b"abc"[..]));
        frames.end().unwrap();
    }

    #[test]
    fn bytes_that_are_no_frames_are_an_error() {
        assert!(Frames::new(Listeners::default()).next(b"HTTP/1.1 500").is_err());
    }
}
