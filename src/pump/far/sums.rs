//! What has come of a far source, held against the sum that the store has of it.
//!
//! Everything is summed in its order, once: what is read when it is taken, what several connections fetched when it
//! leaves the ring. What the kernel moved was never here. If that breaks off, and the server does not tell one
//! version of the file from another, it is read a second time from its first byte, and not delivered a second time:
//! the sum over the whole says whether the rest belongs to it.
//!
//! What several connections fetch may be of two versions, too. So a source that is far enough for them is not moved by the
//! kernel before it is known that one is enough.

use std::time::Instant;

use super::fetch::Fetch;
use super::pace::Pace;
use super::{Far, Fetching};
use crate::http::Read;
use crate::pump::end::{Sum, Summed};
use crate::pump::error::TransferError;
use crate::pump::summer::{Summer, Summing};
use crate::pump::took::{Filled, Took};

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
    Summing {
        summing: Summing,
        why: Why,
    },
    /// It is as it was to be.
    Right {
        is_second: bool,
    },
}

/// Why it is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It passes through our hands, or is to.
    Passes,
    /// Its first bytes were delivered before they were summed.
    IsSecond,
    /// Several connections may fetch it.
    InCase,
}

/// Bytes after which one connection is enough, since it has not been found too slow: the slowest have shown it by then.
const ENOUGH: u64 = 256 << 20;

impl Sums {
    pub(crate) fn new(expected: Sum, summer: Summer) -> Self {
        Self { expected, summer, state: State::Passed }
    }

    /// A reading begins. Whether it is to be read again if nobody tells that it is still the same.
    pub(super) fn begin(&mut self) -> bool {
        self.state = match self.expected.when {
            Summed::Always => self.summing(Why::Passes),
            Summed::UnlessSpliced => State::Passed,
        };
        matches!(self.state, State::Passed)
    }

    /// A body is there, behind `taken` bytes.
    pub(super) fn opened(&mut self, fetch: &mut Fetch, taken: u64, may_be_several: bool) {
        if !matches!(self.state, State::Passed) {
            return;
        }
        let why = match (fetch.again(), taken) {
            (Some(_), _) => Why::IsSecond,
            (None, 0) if fetch.raw().is_none() => Why::Passes,
            (None, 0) if may_be_several => Why::InCase,
            (None, _) => return,
        };
        self.state = self.summing(why);
        fetch.read_again_if_unchecked(false);
    }

    fn summing(&self, why: Why) -> State {
        State::Summing { summing: self.summer.sum(), why }
    }

    /// Several connections fetch from now on.
    pub(super) fn gathers(&mut self) {
        if let State::Summing { why: why @ Why::InCase, .. } = &mut self.state {
            *why = Why::Passes;
        }
    }

    /// Whether nothing is summed any more that was only in case there would be several connections. `is_one`: there will
    /// be no others.
    fn is_left_to_the_kernel(&mut self, taken: u64, is_one: bool) -> bool {
        let is_in_case = matches!(self.state, State::Summing { why: Why::InCase, .. });
        let is_left = is_in_case && (is_one || taken >= ENOUGH);
        if is_left {
            self.state = State::Passed;
        }
        is_left
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
        let (summing, why) = match std::mem::replace(&mut sums.state, State::Passed) {
            State::Summing { summing, why } => (summing, why),
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
        sums.state = State::Right { is_second: why == Why::IsSecond };
        Ok(())
    }

    /// Whether the last reading is what the store has, from its first byte on.
    pub(crate) fn is_checked(&self) -> bool {
        matches!(&self.sums, Some(Sums { state: State::Right { is_second: false }, .. }))
    }

    /// Whether it was resumed, or fetched in parts, and nothing told whether the file was the same all the time.
    pub(crate) fn is_unchecked(&self) -> bool {
        let is_right = matches!(&self.sums, Some(Sums { state: State::Right { .. }, .. }));
        !is_right && (self.resumed() > 0 || self.has_gathered) && !self.knows_its_version()
    }

    /// Whether what is left, from `taken` on, is moved by the kernel from now on: one connection was enough, and it was
    /// summed only in case there would be several.
    pub(crate) fn is_left_to_the_kernel(&mut self, taken: u64) -> bool {
        let is_one = self.pace.as_ref().is_some_and(Pace::is_over);
        let (Fetching::One(fetch), Some(sums)) = (&mut self.fetching, &mut self.sums) else {
            return false;
        };
        if !fetch.is_open() || !sums.is_left_to_the_kernel(taken, is_one) {
            return false;
        }
        fetch.read_again_if_unchecked(true);
        // What several would fetch could not be checked any more.
        if let Some(pace) = self.pace.as_mut().filter(|_| !fetch.knows_its_version()) {
            pace.give_up();
        }
        true
    }
}

/// Reads what has come before, `at` bytes of `taken`.
pub(super) fn read_again(
    fetch: &mut Fetch,
    sums: Option<&mut Sums>,
    buffer: &mut [u8],
    (at, taken): (u64, u64),
    now: Instant,
) -> Result<Filled, TransferError> {
    let left = usize::try_from(taken - at).unwrap_or(usize::MAX).min(buffer.len());
    let before = buffer.get_mut(..left).unwrap_or_default();
    match fetch.read(before, at) {
        Ok(Read::Bytes(bytes)) => {
            if let Some(sums) = sums {
                sums.came(before.get(..bytes).unwrap_or_default());
            }
            fetch.came_again(bytes, taken);
            Ok(Filled::Ahead(bytes))
        }
        // It is shorter than it was.
        Ok(Read::Ended) => Err(TransferError::Size { expected: taken, found: at }),
        Ok(_) => Ok(Took::Blocked.into()),
        Err(error) => fetch.broke(error, taken, now).map(Filled::Took),
    }
}

/// Enough of a sum to tell it from another.
const DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_summed_in_case_is_left_to_the_kernel_when_one_connection_is_enough() {
        let sums = |why| {
            let expected = Sum { sha512: String::new(), when: Summed::UnlessSpliced };
            let mut sums = Sums::new(expected, Summer::default());
            sums.state = sums.summing(why);
            sums
        };
        let mut in_case = sums(Why::InCase);
        assert!(!in_case.is_left_to_the_kernel(ENOUGH - 1, false));
        assert!(in_case.is_left_to_the_kernel(ENOUGH, false));
        assert!(!in_case.is_left_to_the_kernel(ENOUGH, true), "it is no news");
        assert!(sums(Why::InCase).is_left_to_the_kernel(0, true));
        // Several have begun.
        let mut gathered = sums(Why::InCase);
        gathered.gathers();
        for mut other in [gathered, sums(Why::Passes), sums(Why::IsSecond)] {
            assert!(!other.is_left_to_the_kernel(ENOUGH, true));
        }
    }
}
