//! What the command says, in lines.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;

use super::{Failure, exit};

/// Says one thing on stderr, in one write: lines of others may come between two.
pub(super) fn say(message: &str) {
    let line = format!("gantline: {}\n", harmless(message));
    // There is nowhere to say that stderr is closed.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Prints text on stdout.
pub(super) fn print(text: &str) -> Result<u8, Failure> {
    let lines: Vec<_> = text.split('\n').map(harmless).collect();
    print_ours(lines.join("\n").as_bytes())
}

/// Prints what is ours alone, as it is.
pub(super) fn print_ours(bytes: &[u8]) -> Result<u8, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // `| head` has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure {
            message: format!("cannot write to standard output: {error}"),
            code: exit::FAILED,
        }),
        _ => Ok(exit::DONE),
    }
}

/// Text that may be somebody else's, without what a terminal obeys: control characters, and marks
/// that change the direction of what follows, are shown as Rust writes them.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let shown = |shown: String, c: char| match is_harmful(c) {
        true => shown + &c.escape_default().to_string(),
        false => shown + c.encode_utf8(&mut [0; 4]),
    };
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), shown))
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The same JSON, without what a terminal obeys: in strings that is written as JSON can, and between them there are
/// lines at most.
pub(super) fn harmless_json(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| is_harmful(c) && c != '\n';
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let shown = |shown: String, c: char| match is_harmful(c) {
        true => shown + &format!("\\u{:04x}", u32::from(c)),
        false => shown + c.encode_utf8(&mut [0; 4]),
    };
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), shown))
}

/// Prints JSON for people and programs.
pub(super) fn print_json(value: &Value) -> Result<u8, Failure> {
    print_ours(harmless_json(&format!("{value:#}\n")).as_bytes())
}

/// Bytes for people: `512 B`, `64.0 KiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let bytes = indicatif::BinaryBytes(bytes);
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, shown) in [
            ("plain Ünïcode → ✓", "plain Ünïcode → ✓"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\r\nb\u{7f}", "a\\r\\nb\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn json_stays_what_it_is_and_holds_nothing_that_a_terminal_obeys() {
        let value =
            serde_json::json!({"a\u{9b}31m": ["\u{1b}[2J", "b\u{202e}\u{7f}", "Ünïcode ✓"]});
        for text in [value.to_string(), format!("{value:#}")] {
            let shown = harmless_json(&text);
            assert!(!shown.contains(|c| c != '\n' && is_harmful(c)), "{shown}");
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn bytes_are_written_for_people() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1 << 30), "1.00 GiB");
    }
}
