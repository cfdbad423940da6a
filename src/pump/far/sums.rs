//! What has come of a far source, held against the sum that the store has of it.
//!
//! Everything is summed in its order, once: what is read when it is taken, what several connections fetched when it
//! leaves the ring. What the kernel moved was never here. If that breaks off, and the server does not tell one
//! version of the file from another, it is read a second time from its first byte, and not delivered a second time:
//! the sum over the whole says whether the rest belongs to it.

use std::time::Instant;

use super::Far;
use super::fetch::Fetch;
use crate::http::Read;
use crate::pump::end::{Sum, Summed};
use crate::pump::error::TransferError;
use crate::pump::summer::{Summer, Summing};
use crate::pump::took::Took;

/// The sum of a source, as far as it is known.
#[derive(Debug)]
pub(crate) struct Sums {
    expected: Sum,
    summer: Summer,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its bytes do not come here.
    Passed,
    /// `is_second`: its first bytes were delivered before they were summed.
    Summing { summing: Summing, is_second: bool },
    /// It is as it was to be.
    Right { is_second: bool },
}

impl Sums {
    pub(crate) fn new(expected: Sum, summer: Summer) -> Self {
        Self { expected, summer, state: State::Passed }
    }

    /// A reading begins. Whether it is to be read again if nobody tells that it is still the same.
    pub(super) fn begin(&mut self) -> bool {
        self.state = match self.expected.when {
            Summed::Always => self.summing(false),
            Summed::UnlessSpliced => State::Passed,
        };
        matches!(self.state, State::Passed)
    }

    /// A body is there, behind `taken` bytes.
    pub(super) fn opened(&mut self, fetch: &mut Fetch, taken: u64) {
        if !matches!(self.state, State::Passed) {
            return;
        }
        let is_second = fetch.again().is_some();
        if is_second || taken == 0 && fetch.raw().is_none() {
            self.state = self.summing(is_second);
            fetch.read_again_if_unchecked(false);
        }
    }

    fn summing(&self, is_second: bool) -> State {
        State::Summing { summing: self.summer.sum(), is_second }
    }

    /// More bytes have come, the next in their order.
    pub(super) fn came(&mut self, bytes: &[u8]) {
        if let State::Summing { summing, .. } = &mut self.state {
            summing.add(bytes);
        }
    }
}

impl Far {
    pub(crate) fn with_sums(self, sums: Option<Sums>) -> Self {
        Self { sums, ..self }
    }

    pub(super) fn is_summed(&self) -> bool {
        matches!(&self.sums, Some(Sums { state: State::Summing { .. }, .. }))
    }

    /// Everything has come.
    ///
    /// # Errors
    /// It is not what the store has.
    pub(crate) fn check_sum(&mut self) -> Result<(), TransferError> {
        let Some(sums) = &mut self.sums else { return Ok(()) };
        let (summing, is_second) = match std::mem::replace(&mut sums.state, State::Passed) {
            State::Summing { summing, is_second } => (summing, is_second),
            other => {
                sums.state = other;
                return Ok(());
            }
        };
        let found = summing.end();
        if !found.eq_ignore_ascii_case(&sums.expected.sha512) {
            let begin = |sum: &str| sum.chars().take(DIGITS).collect();
            let (expected, found) = (begin(&sums.expected.sha512), begin(&found));
            return Err(TransferError::Checksum { expected, found });
        }
        sums.state = State::Right { is_second };
        Ok(())
    }

    /// Whether the last reading is what the store has, from its first byte on.
    pub(crate) fn is_checked(&self) -> bool {
        matches!(&self.sums, Some(Sums { state: State::Right { is_second: false }, .. }))
    }

    /// Whether it was resumed, and nothing told whether the file was still the same.
    pub(crate) fn is_resumed_unchecked(&self) -> bool {
        let is_right = matches!(&self.sums, Some(Sums { state: State::Right { .. }, .. }));
        !is_right && self.is_resumed_by_faith()
    }
}

/// Reads what has come before, `at` bytes of `taken`.
pub(super) fn read_again(
    fetch: &mut Fetch,
    sums: Option<&mut Sums>,
    buffer: &mut [u8],
    (at, taken): (u64, u64),
    now: Instant,
) -> Result<Took, TransferError> {
    let left = usize::try_from(taken - at).unwrap_or(usize::MAX).min(buffer.len());
    let before = buffer.get_mut(..left).unwrap_or_default();
    match fetch.read(before, at) {
        Ok(Read::Bytes(bytes)) => {
            if let Some(sums) = sums {
                sums.came(before.get(..bytes).unwrap_or_default());
            }
            fetch.came_again(bytes, taken);
            Ok(Took::Ahead(bytes))
        }
        // It is shorter than it was.
        Ok(Read::Ended) => Err(TransferError::Size { expected: taken, found: at }),
        Ok(_) => Ok(Took::Blocked),
        Err(error) => fetch.broke(error, taken, now),
    }
}

/// Enough of a sum to tell it from another.
const DIGITS: usize = 16;
