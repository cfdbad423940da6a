//! How far an upload is, and what follows when one of its chunks fails. Pure: it is told what
//! happened.

use std::time::Duration;

use crate::backoff::Backoff;

/// The course of one upload. It is asked for a [`chunk`](Self::chunk), and told what became of it.
#[derive(Debug)]
pub(super) struct Course {
    size: u64,
    offset: u64,
    /// Bytes of a chunk at most.
    largest: u64,
    /// Places of [`CHUNK`] bytes each that were told to be free.
    freed: u64,
    /// What was sent is kept nowhere: it cannot be sent again.
    is_passing: bool,
    backoff: Backoff,
}

/// What follows a chunk that failed, once Girder has said how much it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Onward {
    /// The same chunk again.
    Again,
    /// The next one: all of it came, and only the answer was lost.
    Next,
    /// A new upload, from the first byte.
    Anew,
    /// Nothing: what would have to be sent again is kept nowhere.
    Lost,
}

impl Course {
    pub(super) fn new(size: u64, patience: Duration) -> Self {
        let backoff = Backoff::of_a_question(patience);
        Self { size, offset: 0, largest: CHUNK, freed: 0, is_passing: false, backoff }
    }

    /// What was sent is kept nowhere.
    pub(super) fn passing(&mut self) {
        self.is_passing = true;
    }

    /// Bytes that Girder has for certain.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next chunk: where it begins, and how long it is.
    pub(super) fn chunk(&self) -> (u64, u64) {
        (self.offset, (self.size - self.offset).min(self.largest))
    }

    /// Whether the next chunk is the last.
    pub(super) fn is_at_the_last(&self) -> bool {
        let (offset, length) = self.chunk();
        offset + length == self.size
    }

    /// Whether the chunk has failed already.
    pub(super) fn has_failed(&self) -> bool {
        self.backoff.failures() > 0
    }

    /// The chunk was too large for one request: those from here on are smaller. False: Girder takes none
    /// that are smaller.
    #[must_use]
    pub(super) fn was_too_large(&mut self) -> bool {
        let (_, length) = self.chunk();
        self.largest = (length / 2).max(SMALLEST);
        length > SMALLEST
    }

    /// How many places of [`CHUNK`] bytes each hold nothing that is to be sent, besides those that were
    /// told before.
    pub(super) fn frees(&mut self) -> u64 {
        let passed = self.offset / CHUNK;
        let new = passed.saturating_sub(self.freed);
        self.freed = passed;
        new
    }

    /// Girder has taken the chunk, and the upload is still open. False: it has all its bytes, so
    /// that makes no sense.
    #[must_use]
    pub(super) fn arrived(&mut self) -> bool {
        let (offset, length) = self.chunk();
        self.backoff.succeeded();
        let is_open = offset + length < self.size;
        if is_open {
            self.offset = offset + length;
        }
        is_open
    }

    /// A request failed in a way that may pass: says how long to pause before the next. `None`: it
    /// has failed often enough.
    #[must_use]
    pub(super) fn failed(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.backoff.may_try_again().then(|| self.backoff.failed(asked))
    }

    /// After a chunk that failed, Girder says that it has so many bytes.
    pub(super) fn found(&mut self, there: u64) -> Onward {
        let (offset, length) = self.chunk();
        if there == offset {
            return Onward::Again;
        }
        if there == offset + length {
            self.offset = there;
            return if there < self.size { Onward::Next } else { Onward::Again };
        }
        // Girder's checksum would not cover a part of a chunk, and Girder finds files by their
        // checksums.
        if self.is_passing && offset > 0 {
            return Onward::Lost;
        }
        self.offset = 0;
        Onward::Anew
    }
}

/// Bytes of a chunk: as Girder's own client.
pub(super) const CHUNK: u64 = 64 * 1024 * 1024;

/// Girder refuses chunks that are smaller, but for the last.
const SMALLEST: u64 = 5 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn course_of(size: u64) -> Course {
        Course::new(size, Backoff::PATIENCE)
    }

    #[test]
    fn chunks_follow_each_other_to_the_end() {
        let mut course = course_of(CHUNK * 2 + 5);
        assert_eq!(course.chunk(), (0, CHUNK));
        assert!(!course.is_at_the_last());
        assert!(course.arrived());
        assert_eq!(course.chunk(), (CHUNK, CHUNK));
        assert!(course.arrived());
        assert_eq!(course.chunk(), (CHUNK * 2, 5));
        assert!(course.is_at_the_last());
        assert!(!course.arrived(), "it has everything and is open");
    }

    #[test]
    fn a_chunk_is_sent_again_skipped_or_ends_the_upload_by_what_girder_has() {
        let begun = || {
            let mut course = course_of(CHUNK * 3);
            assert!(course.arrived());
            course
        };
        let mut course = begun();
        assert_eq!(course.found(CHUNK), Onward::Again);
        assert_eq!(course.found(CHUNK * 2), Onward::Next);
        assert_eq!(course.chunk(), (CHUNK * 2, CHUNK));
        for there in [0, 1, CHUNK + 1, CHUNK * 2 - 1, CHUNK * 3] {
            let mut course = begun();
            assert_eq!(course.found(there), Onward::Anew, "{there}");
            assert_eq!(course.chunk(), (0, CHUNK));
            let mut passing = begun();
            passing.passing();
            assert_eq!(passing.found(there), Onward::Lost, "{there}");
        }
        let mut first = course_of(CHUNK * 3);
        first.passing();
        assert_eq!(first.found(7), Onward::Anew, "the first chunk is still there");
    }

    #[test]
    fn when_only_the_last_answer_was_lost_girder_is_asked_for_the_file_again() {
        let mut course = course_of(10);
        assert_eq!(course.found(10), Onward::Again);
        assert_eq!(course.chunk(), (10, 0));
    }

    #[test]
    fn chunks_that_are_too_large_become_smaller_down_to_what_girder_takes() {
        let mut course = course_of(CHUNK * 2);
        let mut lengths = vec![];
        while course.was_too_large() {
            lengths.push(course.chunk().1 >> 20);
        }
        assert_eq!(lengths, [32, 16, 8, 5]);
        let mut small = course_of(SMALLEST + 2);
        assert!(small.was_too_large());
        assert_eq!(small.chunk(), (0, SMALLEST));
        assert!(small.arrived());
        assert_eq!(small.chunk(), (SMALLEST, 2));
        assert!(!small.was_too_large());
    }

    #[test]
    fn a_place_is_free_when_all_of_it_was_sent_whatever_the_size_of_chunks() {
        let mut course = course_of(CHUNK * 2 + SMALLEST * 2);
        while course.was_too_large() {}
        let mut freed = 0;
        while course.arrived() {
            freed += course.frees();
            assert_eq!(freed, course.offset() / CHUNK);
        }
        assert_eq!(freed, 2);
    }

    #[test]
    fn a_chunk_may_fail_a_few_times_and_each_has_its_own_count() {
        let mut course = course_of(CHUNK * 2);
        let pauses: Vec<_> = std::iter::from_fn(|| course.failed(None)).collect();
        assert_eq!(pauses.len(), 6);
        assert!(pauses.iter().sum::<Duration>() >= Duration::from_millis(6300), "{pauses:?}");
        assert!(course.arrived());
        assert!(course.failed(Some(Duration::from_secs(12))) >= Some(Duration::from_secs(12)));
    }

    /// Of each upload what a Girder has of it, which fails as it likes.
    #[test]
    fn whatever_fails_the_file_is_whole_or_there_is_none() {
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let size = random.u64(1..CHUNK * 4);
            let (mut course, mut has, mut given_back) = (course_of(size), 0, 0);
            let is_passing = random.bool();
            if is_passing {
                course.passing();
            }
            loop {
                let (offset, length) = course.chunk();
                assert!(offset == has || length == 0, "seed {seed}: a hole, or a part twice");
                assert!(!is_passing || offset >= given_back, "seed {seed}: it is kept nowhere");
                let came = match random.u8(0..4) {
                    0 => random.u64(0..=length),
                    1 => 0,
                    _ => length,
                };
                has += came;
                if came == length && random.bool() {
                    if has == size {
                        break;
                    }
                    assert!(course.arrived(), "seed {seed}");
                    given_back = course.offset();
                    continue;
                }
                if course.failed(None).is_none() {
                    break;
                }
                match course.found(has) {
                    Onward::Again => {}
                    Onward::Next => given_back = course.offset(),
                    Onward::Anew => has = 0,
                    Onward::Lost => {
                        assert!(is_passing, "seed {seed}");
                        break;
                    }
                }
            }
        }
    }
}
