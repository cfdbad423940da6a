//! How bars are drawn: what a bar is about, and behind that as many numbers as the terminal has room for.
//!
//! A window may become narrower at any moment, so its width is asked for whenever a bar is drawn.

use std::fmt::Write;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressState, ProgressStyle};

use super::render;

/// A line of words.
pub(super) fn line() -> ProgressStyle {
    style("{wide_msg}")
}

/// A line of words, and what has come of how many bytes.
pub(super) fn bar() -> ProgressStyle {
    style("{wide_msg}{numbers}").with_key("numbers", |state: &ProgressState, to: &mut dyn Write| {
        let moved = Moved {
            bytes: state.pos(),
            total: state.len(),
            // The whole bytes of a rate are enough for people.
            rate: Duration::try_from_secs_f64(state.per_sec()).unwrap_or_default().as_secs(),
            left: state.eta(),
        };
        // It writes into a string.
        let _ = to.write_str(&moved.within(columns()));
    })
}

fn style(template: &str) -> ProgressStyle {
    // A template of ours that indicatif cannot read costs the look, not the run; see the test.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What a terminal has that does not know it, and says 0.
const USUAL: u16 = 80;

fn columns() -> u16 {
    columns_of(io::stderr()).unwrap_or(USUAL)
}

/// How wide a terminal is, if it is one and knows it.
pub(super) fn columns_of(terminal: impl AsFd) -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// How far something is.
#[derive(Debug, Clone, Copy)]
struct Moved {
    bytes: u64,
    total: Option<u64>,
    /// Bytes a second.
    rate: u64,
    left: Duration,
}

impl Moved {
    /// The numbers that there is room for, behind a label that has at least a third of the line.
    fn within(&self, columns: u16) -> String {
        let (bytes, rate) = (render::bytes(self.bytes), format!("{}/s", render::bytes(self.rate)));
        let Some(total) = self.total else {
            return match columns {
                70.. => format!(" {bytes:>10} {rate:>12}"),
                20.. => format!(" {bytes:>10}"),
                _ => String::new(),
            };
        };
        let of = render::bytes(total);
        let percent = self.of(total, 100);
        match columns {
            100.. => {
                let left = format!("{:#}", HumanDuration(self.left));
                format!(" [{}] {bytes:>10} of {of} {rate:>12} {left:>4}", self.bar(total))
            }
            70.. => format!(" {percent:>3}% {bytes:>10} of {of} {rate:>12}"),
            40.. => format!(" {percent:>3}% {rate:>12}"),
            20.. => format!(" {percent:>3}%"),
            _ => String::new(),
        }
    }

    /// How many of so many parts have come.
    fn of(&self, total: u64, parts: u8) -> usize {
        let come = u128::from(self.bytes.min(total)) * u128::from(parts);
        usize::try_from(come / u128::from(total.max(1))).unwrap_or(0)
    }

    fn bar(&self, total: u64) -> String {
        const PARTS: u8 = 24;
        let come = self.of(total, PARTS);
        let head = if come < PARTS.into() { ">" } else { "" };
        format!("{:-<1$}", "#".repeat(come) + head, PARTS.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in ["{wide_msg}", "{wide_msg}{numbers}"] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn a_line_has_the_numbers_that_it_has_room_for() {
        let sized = Moved {
            bytes: 1 << 29,
            total: Some(1 << 30),
            rate: 64 << 20,
            left: Duration::from_secs(8),
        };
        let endless = Moved { total: None, ..sized };
        for (columns, of_sized, of_endless) in [
            (
                100,
                " [############>-----------] 512.00 MiB of 1.00 GiB  64.00 MiB/s   8s",
                " 512.00 MiB  64.00 MiB/s",
            ),
            (80, "  50% 512.00 MiB of 1.00 GiB  64.00 MiB/s", " 512.00 MiB  64.00 MiB/s"),
            (60, "  50%  64.00 MiB/s", " 512.00 MiB"),
            (30, "  50%", " 512.00 MiB"),
            (10, "", ""),
        ] {
            assert_eq!(sized.within(columns), of_sized, "{columns}");
            assert_eq!(endless.within(columns), of_endless, "{columns}");
        }
    }

    #[test]
    fn the_longest_numbers_leave_room_for_a_label() {
        let most = Moved {
            bytes: u64::MAX,
            total: Some(u64::MAX),
            rate: u64::MAX,
            left: Duration::from_secs(u64::MAX),
        };
        for columns in 1..200 {
            for moved in [most, Moved { total: None, ..most }, Moved { bytes: 0, ..most }] {
                let line = moved.within(columns);
                assert!(line.chars().count() < usize::from(columns).max(1), "{columns}: {line}");
            }
        }
    }

    #[test]
    fn nothing_of_nothing_is_no_fault() {
        let nothing = Moved { bytes: 0, total: Some(0), rate: 0, left: Duration::ZERO };
        assert!(nothing.within(80).starts_with("   0%"));
    }
}
