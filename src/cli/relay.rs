//! Brings the container's output past the bars when both are on one terminal.
//!
//! What the run writes is written while the bars are away. A last line that has no end yet is kept until it
//! has one: the bars would be drawn behind it, and would wipe it out with themselves.

use std::io::{self, Write};

use indicatif::MultiProgress;

/// Writes one stream to a terminal.
#[derive(Debug)]
pub(super) struct Relay<T> {
    bars: MultiProgress,
    terminal: T,
    kept: Vec<u8>,
}

impl<T: Write> Relay<T> {
    /// Writes to `terminal` while `bars` are away.
    pub(super) fn new(bars: MultiProgress, terminal: T) -> Self {
        Self { bars, terminal, kept: Vec::new() }
    }

    fn write_kept(&mut self, bytes: usize) -> io::Result<()> {
        let ready: Vec<u8> = self.kept.drain(..bytes).collect();
        let terminal = &mut self.terminal;
        self.bars.suspend(|| terminal.write_all(&ready).and_then(|()| terminal.flush()))
    }
}

impl<T: Write> Write for Relay<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept.extend_from_slice(bytes);
        let ready = ready(&self.kept);
        if ready > 0 {
            self.write_kept(ready)?;
        }
        Ok(bytes.len())
    }

    /// Writes the last line, too: the stream is at its end.
    fn flush(&mut self) -> io::Result<()> {
        match self.kept.len() {
            0 => Ok(()),
            all => self.write_kept(all),
        }
    }
}

/// What a line may have before it is written without its end.
const LINE: usize = 16 << 10;

/// How much can be written: whole lines, or what is too long for one.
fn ready(kept: &[u8]) -> usize {
    let end = kept.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
    match end {
        Some(end) => end + 1,
        None if kept.len() >= LINE => kept.len(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn lines_are_relayed_whole_and_nothing_is_lost() {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let mut relay = Relay::new(bars, Vec::new());
        relay.write_all(b"one\ntw").unwrap();
        assert_eq!(relay.terminal, b"one\n");
        relay.write_all(b"o\n\xff").unwrap();
        assert_eq!(relay.terminal, b"one\ntwo\n");
        relay.flush().unwrap();
        assert_eq!(relay.terminal, b"one\ntwo\n\xff");
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        assert_eq!(ready(b"50%\r60"), 4);
        assert_eq!(ready(&[b'x'; 100]), 0);
        assert_eq!(ready(&[b'x'; LINE]), LINE);
    }
}
