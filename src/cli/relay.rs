//! Brings the container's output past the bars when both are on one terminal.
//!
//! The run writes into a pipe; what comes out of it is written while the bars are away. A last
//! line that has no end yet is kept until it has one: the bars would be drawn behind it, and would
//! wipe it out with themselves.

use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::thread::{self, JoinHandle};

use indicatif::MultiProgress;

/// One stream's relay.
#[derive(Debug)]
pub(super) struct Relay(JoinHandle<()>);

impl Relay {
    /// Begins to relay into `terminal` what is written into the pipe.
    pub(super) fn begin(
        bars: MultiProgress,
        terminal: impl Write + Send + 'static,
    ) -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = pipe()?;
        let name = "gantline-relay".to_owned();
        let thread = thread::Builder::new().name(name);
        let thread = thread.spawn(move || relay(reader, &bars, terminal))?;
        Ok((Self(thread), writer))
    }

    /// Waits until everything is written. Whoever writes into the pipe must have closed it.
    pub(super) fn end(self) {
        // It has nothing that could panic; and a terminal that is gone ends it.
        let _ = self.0.join();
    }
}

/// What a line may have before it is written without its end.
const LINE: usize = 16 << 10;

fn relay(mut reader: PipeReader, bars: &MultiProgress, mut terminal: impl Write) {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut write = |bytes: &[u8]| {
        bars.suspend(|| terminal.write_all(bytes).and_then(|()| terminal.flush())).is_ok()
    };
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        kept.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let ready = ready(&kept);
        if ready > 0 {
            let rest = kept.split_off(ready);
            if !write(&kept) {
                return;
            }
            kept = rest;
        }
    }
    if !kept.is_empty() {
        write(&kept);
    }
}

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
    use std::sync::mpsc;

    use indicatif::ProgressDrawTarget;

    use super::*;

    struct Terminal(mpsc::Sender<Vec<u8>>);

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_relayed_whole_and_nothing_is_lost() {
        let (sender, receiver) = mpsc::channel();
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let (relay, mut writer) = Relay::begin(bars, Terminal(sender)).unwrap();
        writer.write_all(b"one\ntw").unwrap();
        assert_eq!(receiver.recv().unwrap(), b"one\n");
        writer.write_all(b"o\n\xff").unwrap();
        assert_eq!(receiver.recv().unwrap(), b"two\n");
        drop(writer);
        relay.end();
        assert_eq!(receiver.recv().unwrap(), b"\xff");
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        assert_eq!(ready(b"50%\r60"), 4);
        assert_eq!(ready(&[b'x'; 100]), 0);
        assert_eq!(ready(&[b'x'; LINE]), LINE);
    }
}
