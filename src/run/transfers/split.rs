//! Joins the engine's frames to the pump, which know nothing of each other.

use std::error::Error;

use crate::docker::frame::{Decoder, Stream};
use crate::pump::{Brings, Outlet, Piece, Split};
use crate::run::transfers::listeners::Listeners;

/// Takes an attach apart for the pump, and what takes its place.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    decoder: Decoder,
    listeners: Listeners,
    stdout: Passed,
    stderr: Passed,
}

/// How far one of the streams is.
#[derive(Debug, Default)]
struct Passed {
    /// Bytes that were passed on.
    bytes: u64,
    /// Bytes that were passed on and come again.
    again: u64,
    /// What is read is the engine's log, in which bytes that are not UTF-8 are replaced.
    log: Option<Replaced>,
    /// Some were lost, or may be.
    lacks: bool,
}

impl Frames {
    /// What is taken apart is heard by `listeners`.
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self { listeners, ..Self::default() }
    }

    fn passed(&mut self, outlet: Outlet) -> &mut Passed {
        match outlet {
            Outlet::StdOut => &mut self.stdout,
            Outlet::StdErr => &mut self.stderr,
        }
    }
}

impl Split for Frames {
    fn next<'a>(&mut self, input: &'a [u8]) -> Result<Piece<'a>, Box<dyn Error + Send + Sync>> {
        let Some(piece) = self.decoder.next(input)? else {
            // A part of a header, which the decoder keeps.
            return Ok(Piece { outlet: None, payload: &[], consumed: input.len() });
        };
        let outlet = match piece.stream {
            Stream::Stdout => Outlet::StdOut,
            Stream::Stderr => Outlet::StdErr,
            _ => return Ok(Piece { outlet: None, payload: &[], consumed: piece.consumed }),
        };
        let payload = self.passed(outlet).new_bytes_of(piece.payload);
        self.listeners.hear(outlet, payload);
        Ok(Piece { outlet: Some(outlet), payload, consumed: piece.consumed })
    }

    fn end(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.listeners.ended();
        Ok(self.decoder.ended()?)
    }

    fn broke_off(&mut self) -> bool {
        self.decoder.ended().is_ok()
    }

    fn goes_on(&mut self, brings: Brings) {
        self.decoder = Decoder::new();
        self.stdout.goes_on(brings);
        self.stderr.goes_on(brings);
    }

    fn may_lack(&self, outlet: Outlet) -> bool {
        let passed = match outlet {
            Outlet::StdOut => &self.stdout,
            Outlet::StdErr => &self.stderr,
        };
        passed.lacks || passed.again > 0
    }
}

impl Passed {
    /// What of a piece was not passed on before.
    fn new_bytes_of<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        if let Some(replaced) = &mut self.log {
            // Nobody knows how many bytes it stands for.
            self.lacks |= replaced.is_in(piece);
        }
        let new = match usize::try_from(self.again) {
            Ok(again) => piece.get(again..).unwrap_or_default(),
            Err(_) => &[],
        };
        self.again -= (piece.len() - new.len()) as u64;
        self.bytes += new.len() as u64;
        new
    }

    fn goes_on(&mut self, brings: Brings) {
        match brings {
            Brings::Everything => {
                self.again = self.bytes;
                self.log = Some(Replaced::default());
            }
            _ => {
                (self.again, self.log) = (0, None);
                self.lacks = true;
            }
        }
    }
}

/// Looks for the character that stands for bytes that are not UTF-8, whatever pieces it comes in.
#[derive(Debug, Default)]
struct Replaced {
    found: usize,
}

impl Replaced {
    fn is_in(&mut self, piece: &[u8]) -> bool {
        let character = "\u{fffd}".as_bytes();
        for byte in piece {
            self.found = match character.get(self.found) {
                Some(next) if next == byte => self.found + 1,
                _ => usize::from(character.first() == Some(byte)),
            };
            if self.found == character.len() {
                self.found = 0;
                return true;
            }
        }
        false
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

    fn frame(text: &[u8]) -> Vec<u8> {
        [b"\x01\0\0\0\0\0\0", &[u8::try_from(text.len()).unwrap()][..], text].concat()
    }

    /// What comes out of a connection that brings these.
    fn pass(frames: &mut Frames, texts: &[&[u8]]) -> Vec<u8> {
        let mut passed = Vec::new();
        for text in texts {
            let bytes = frame(text);
            let piece = frames.next(&bytes).unwrap();
            assert_eq!(piece.consumed, bytes.len());
            passed.extend_from_slice(piece.payload);
        }
        passed
    }

    #[test]
    fn what_was_passed_on_is_passed_over_when_it_comes_again() {
        let mut frames = Frames::new(Listeners::default());
        assert_eq!(pass(&mut frames, &[b"one ", b"two "]), b"one two ");
        // It broke off in the middle of a frame, of which three bytes had come.
        let cut = frame(b"three");
        assert_eq!(frames.next(&cut[..11]).unwrap().payload, b"thr");
        assert!(!frames.broke_off());
        frames.goes_on(Brings::Everything);
        assert!(frames.may_lack(Outlet::StdOut), "nothing has come again");
        assert_eq!(pass(&mut frames, &[b"one two t", b"hree", b" four"]), b"ee four");
        frames.goes_on(Brings::Everything);
        assert_eq!(pass(&mut frames, &[b"one two three four", b"!"]), b"!");
        assert!(frames.broke_off() && !frames.may_lack(Outlet::StdOut));
    }

    #[test]
    fn what_only_goes_on_and_a_log_that_is_not_exact_may_lack_something() {
        let mut frames = Frames::new(Listeners::default());
        pass(&mut frames, &[b"one"]);
        frames.goes_on(Brings::WhatComes);
        assert_eq!(pass(&mut frames, &[b"two"]), b"two");
        assert!(frames.may_lack(Outlet::StdOut) && frames.may_lack(Outlet::StdErr));
        let mut frames = Frames::new(Listeners::default());
        pass(&mut frames, &[b"\xff"]);
        frames.goes_on(Brings::Everything);
        pass(&mut frames, &[b"\xef\xbf", b"\xbd"]);
        assert!(frames.may_lack(Outlet::StdOut) && !frames.may_lack(Outlet::StdErr));
    }

    #[test]
    fn the_character_that_stands_for_others_is_found_in_any_pieces() {
        for pieces in [
            &[&b"a\xef\xbf\xbdb"[..]][..],
            &[b"\xef\xef", b"\xbf\xbd"],
            &[b"\xef", b"\xbf", b"\xbd"],
        ] {
            let mut replaced = Replaced::default();
            assert!(pieces.iter().any(|piece| replaced.is_in(piece)), "{pieces:?}");
        }
        assert!(!Replaced::default().is_in("\u{fffc}é\u{ffff}".as_bytes()));
    }

    #[test]
    fn bytes_that_are_no_frames_are_an_error() {
        assert!(Frames::new(Listeners::default()).next(b"HTTP/1.1 500").is_err());
    }
}
