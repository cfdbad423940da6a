//! Brings the container's output past the bars, or between our lines, when both are on one terminal.
//!
//! What the run writes is written while the bars are away. A last line that has no end is kept until it has one, or the
//! bars are gone: they would be drawn behind it, and would wipe it out with themselves. A line of ours would go on in it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::MultiProgress;

/// Writes one stream to a terminal. Its clones are one.
#[derive(Debug)]
pub(super) struct Relay<T> {
    bars: MultiProgress,
    stream: Arc<Mutex<Stream<T>>>,
}

#[derive(Debug)]
struct Stream<T> {
    terminal: T,
    kept: Vec<u8>,
}

impl<T> Clone for Relay<T> {
    fn clone(&self) -> Self {
        Self { bars: self.bars.clone(), stream: Arc::clone(&self.stream) }
    }
}

impl<T: Write> Relay<T> {
    /// Writes to `terminal` while `bars` are away.
    pub(super) fn new(bars: MultiProgress, terminal: T) -> Self {
        Self { bars, stream: Arc::new(Mutex::new(Stream { terminal, kept: Vec::new() })) }
    }

    /// Writes what has no end, and says whether there is any. The bars must be gone for good.
    pub(super) fn write_last(&self) -> bool {
        let mut stream = self.stream();
        let kept = stream.kept.len();
        // The terminal is gone: nobody misses it.
        let _ = stream.write_kept(kept);
        kept > 0
    }

    fn stream(&self) -> MutexGuard<'_, Stream<T>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Write> Stream<T> {
    fn write_kept(&mut self, bytes: usize) -> io::Result<()> {
        let ready: Vec<u8> = self.kept.drain(..bytes).collect();
        self.terminal.write_all(&ready)?;
        self.terminal.flush()
    }
}

impl<T: Write> Write for Relay<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream();
        stream.kept.extend_from_slice(bytes);
        let ready = ready(&stream.kept);
        if ready > 0 {
            self.bars.suspend(|| stream.write_kept(ready))?;
        }
        Ok(bytes.len())
    }

    /// Whole lines are written already, and the last one waits for [`Relay::write_last`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
        let written = |relay: &Relay<Vec<u8>>| relay.stream().terminal.clone();
        assert_eq!(written(&relay), b"one\n");
        relay.write_all(b"o\n\xff").unwrap();
        relay.flush().unwrap();
        assert_eq!(written(&relay), b"one\ntwo\n");
        assert!(relay.clone().write_last() && !relay.write_last());
        assert_eq!(written(&relay), b"one\ntwo\n\xff");
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        assert_eq!(ready(b"50%\r60"), 4);
        assert_eq!(ready(&[b'x'; 100]), 0);
        assert_eq!(ready(&[b'x'; LINE]), LINE);
    }
}
