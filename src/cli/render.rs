//! What the command says, in lines.

use std::io::{self, Write};

use serde_json::Value;

use super::{Failure, exit};

/// Says one thing on stderr, in one write: lines of others may come between two.
pub(super) fn say(message: &str) {
    let line = format!("gantline: {message}\n");
    // There is nowhere to say that stderr is closed.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Prints text on stdout.
pub(super) fn print(text: &str) -> Result<u8, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // `| head` has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure {
            message: format!("cannot write to standard output: {error}"),
            code: exit::FAILED,
        }),
        _ => Ok(exit::DONE),
    }
}

/// Prints JSON for people and programs.
pub(super) fn print_json(value: &Value) -> Result<u8, Failure> {
    print(&format!("{value:#}\n"))
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
    fn bytes_are_written_for_people() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1 << 30), "1.00 GiB");
    }
}
