//! What is said of a container that failed: its exit code, the signal, memory, its last words.

use std::collections::VecDeque;

use nix::sys::signal::Signal;

/// How a container ended, in words; `None` if it ended well.
pub(crate) fn words(exit_code: i64, oom_killed: bool) -> Option<String> {
    if exit_code == 0 && !oom_killed {
        return None;
    }
    let mut words = format!("the container exited with code {exit_code}");
    if let Some(signal) = signal(exit_code) {
        words.push_str(&format!(" ({signal})"));
    }
    if oom_killed {
        words.push_str(", killed for memory");
    }
    Some(words)
}

/// The name of the signal that an exit code beyond 128 tells of.
fn signal(exit_code: i64) -> Option<&'static str> {
    let number = i32::try_from(exit_code.checked_sub(128)?).ok()?;
    Signal::try_from(number).ok().map(Signal::as_str)
}

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<u8>);

impl Tail {
    /// More came.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        let last = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or(bytes);
        let too_many = (self.0.len() + last.len()).saturating_sub(TAIL_BYTES);
        self.0.drain(..too_many.min(self.0.len()));
        self.0.extend(last);
    }

    /// The last lines, as text.
    pub(crate) fn lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        lines.iter().skip(from).map(|line| (*line).to_owned()).collect()
    }
}

/// Lines that are told.
const TAIL_LINES: usize = 20;

/// Bytes that are kept; twenty lines of 800.
const TAIL_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_container_is_said_in_words() {
        let said = |code, oom| words(code, oom).unwrap_or_default();
        assert_eq!(said(0, false), "");
        assert_eq!(said(3, false), "the container exited with code 3");
        assert_eq!(
            said(137, true),
            "the container exited with code 137 (SIGKILL), killed for memory"
        );
        assert_eq!(said(139, false), "the container exited with code 139 (SIGSEGV)");
        assert_eq!(said(255, false), "the container exited with code 255");
        assert_eq!(said(0, true), "the container exited with code 0, killed for memory");
        assert!(said(i64::MIN, false).ends_with(&i64::MIN.to_string()));
    }

    #[test]
    fn the_last_twenty_lines_are_kept_whatever_the_pieces() {
        let text: String = (0..5000).map(|number| format!("line {number}\n")).collect();
        for size in [1, 7, 1000, 1 << 20] {
            let mut tail = Tail::default();
            text.as_bytes().chunks(size).for_each(|piece| tail.hear(piece));
            let lines = tail.lines();
            assert_eq!((lines.len(), lines[0].as_str()), (TAIL_LINES, "line 4980"));
            assert!(tail.0.len() <= TAIL_BYTES);
        }
        let mut tail = Tail::default();
        tail.hear(b"one\n\xff two");
        assert_eq!(tail.lines(), ["one", "\u{fffd} two"]);
    }
}
