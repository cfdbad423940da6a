//! The ring carrier: segments of a body that several connections fill, drained in their order.
//!
//! Pure but for the memory. A segment is claimed by whoever fetches it, filled from its start, and
//! drained when it is the first; what is whole before its turn waits. Their number has a maximum,
//! and each worker's memory for them as well.

use std::collections::VecDeque;
use std::ops::Range;

use super::pool::{Pool, SEGMENT_BYTES, Segment as Memory};

/// Segments of one transfer at once: those of eight connections, and four that are whole and wait
/// for the first.
pub(crate) const MOST_SEGMENTS: usize = 12;

/// Bytes on their way, of which the first are drained while the last are not asked for yet.
#[derive(Debug)]
pub(crate) struct Ring {
    segments: VecDeque<Segment>,
    /// The first byte that belongs to no segment yet.
    next: u64,
    end: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Segment {
    start: u64,
    length: usize,
    memory: Memory,
    filled: usize,
    drained: usize,
    is_claimed: bool,
}

impl Segment {
    fn is_whole(&self) -> bool {
        self.filled == self.length
    }

    /// The place of the first byte that has not come.
    fn at(&self) -> u64 {
        self.start + self.filled as u64
    }
}

impl Ring {
    /// For the bytes of `range`, none of which has come.
    pub(crate) fn new(range: Range<u64>) -> Self {
        Self { segments: VecDeque::new(), next: range.start, end: range.end, is_closed: false }
    }

    /// No segment is begun any more; those that there are go on to their ends.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Whether it is closed, everything that came has been drained, and nobody fetches more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_closed && self.segments.is_empty()
    }

    /// The place of the first byte that is not there, in their order: what a single connection
    /// would go on with.
    pub(crate) fn frontier(&self) -> u64 {
        let open = self.segments.iter().find(|segment| !segment.is_whole());
        open.map_or(self.next, Segment::at)
    }

    /// Whether the last byte is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.frontier() == self.end
    }

    /// Whether a byte more could be taken from a connection, or an end be noticed.
    pub(crate) fn has_room(&self) -> bool {
        self.is_complete()
            || self.segments.iter().any(|segment| !segment.is_whole())
            || self.can_begin()
    }

    fn can_begin(&self) -> bool {
        !self.is_closed && self.next < self.end && self.segments.len() < MOST_SEGMENTS
    }

    /// Gives a part to fetch, the first that nobody fetches. None: all have somebody, or there is
    /// no memory for another. For the first one there always is.
    pub(crate) fn claim(&mut self, pool: &Pool) -> Option<Range<u64>> {
        let lost =
            self.segments.iter_mut().find(|segment| !segment.is_claimed && !segment.is_whole());
        if let Some(segment) = lost {
            segment.is_claimed = true;
            return Some(segment.at()..segment.start + segment.length as u64);
        }
        if !self.can_begin() {
            return None;
        }
        let memory = pool.lend_segment(self.segments.is_empty())?;
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let (start, length) = (self.next, left.min(SEGMENT_BYTES));
        self.next += length as u64;
        let segment = Segment { start, length, memory, filled: 0, drained: 0, is_claimed: true };
        self.segments.push_back(segment);
        Some(start..self.next)
    }

    /// Whoever fetched the part that goes on at `at` does so no more.
    pub(crate) fn disclaim(&mut self, at: u64) {
        if let Some(segment) = self.open_at(at) {
            segment.is_claimed = false;
        }
    }

    /// Where the bytes from `at` on are to be put; tell how many with [`filled`](Self::filled).
    pub(crate) fn space(&mut self, at: u64, most: usize) -> &mut [u8] {
        let Some(segment) = self.open_at(at) else { return &mut [] };
        let end = segment.length.min(segment.filled.saturating_add(most));
        segment.memory.get_mut(segment.filled..end).unwrap_or_default()
    }

    /// Bytes have come, from `at` on. Whether their segment is whole now.
    pub(crate) fn filled(&mut self, at: u64, bytes: usize) -> bool {
        let Some(segment) = self.open_at(at) else { return true };
        debug_assert!(bytes <= segment.length - segment.filled, "filled beyond the segment");
        segment.filled = segment.length.min(segment.filled + bytes);
        segment.is_whole()
    }

    fn open_at(&mut self, at: u64) -> Option<&mut Segment> {
        self.segments.iter_mut().find(|segment| !segment.is_whole() && segment.at() == at)
    }

    /// What is to be drained next.
    pub(crate) fn front(&self) -> &[u8] {
        let Some(first) = self.segments.front() else { return &[] };
        first.memory.get(first.drained..first.filled).unwrap_or_default()
    }

    /// So many bytes of [`front`](Self::front) are drained. Whether that makes room.
    pub(crate) fn drained(&mut self, bytes: usize) -> bool {
        let Some(first) = self.segments.front_mut() else { return false };
        debug_assert!(bytes <= first.filled - first.drained, "drained more than was held");
        first.drained = first.filled.min(first.drained + bytes);
        let is_done = first.drained == first.length;
        if is_done {
            self.segments.pop_front();
        }
        is_done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = SEGMENT_BYTES as u64;

    /// Fetchers that come, go and stop in any order; what is drained is the body.
    #[test]
    fn whatever_the_order_of_the_fetchers_the_bytes_come_out_in_theirs() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut body = vec![0; 1000 + SEGMENT_BYTES * 5];
        random.fill(&mut body);
        let part = |from: u64, bytes: usize| &body[usize::try_from(from).unwrap()..][..bytes];
        for _ in 0..20 {
            let pool = Pool::new(1);
            let start = random.u64(0..1000);
            let end = start + random.u64(1..SEGMENT * 5);
            let mut ring = Ring::new(start..end);
            let mut fetchers: Vec<Range<u64>> = Vec::new();
            let mut out = start;
            while out < end {
                assert!(ring.has_room() || !ring.front().is_empty(), "nothing can be done");
                match random.u8(0..8) {
                    0 | 1 => fetchers.extend(ring.claim(&pool)),
                    2 if !fetchers.is_empty() && random.bool() => {
                        let gone = fetchers.swap_remove(random.usize(..fetchers.len()));
                        ring.disclaim(gone.start);
                    }
                    3..=5 if !fetchers.is_empty() => {
                        let who = random.usize(..fetchers.len());
                        let wanted = &mut fetchers[who];
                        let space = ring.space(wanted.start, random.usize(1..2 << 20));
                        let bytes = space.len();
                        space.copy_from_slice(part(wanted.start, bytes));
                        let is_whole = ring.filled(wanted.start, bytes);
                        wanted.start += bytes as u64;
                        assert_eq!(is_whole, wanted.is_empty());
                        if is_whole {
                            fetchers.swap_remove(who);
                        }
                    }
                    _ => {
                        let front = ring.front();
                        let most = front.len().min(random.usize(1..3 << 20));
                        assert!(&front[..most] == part(out, most));
                        out += most as u64;
                        ring.drained(most);
                        assert!(out <= ring.frontier());
                    }
                }
            }
            assert_eq!(out, end);
        }
    }

    #[test]
    fn there_is_memory_for_the_first_segment_always_and_for_others_up_to_a_maximum() {
        let pool = Pool::new(1);
        let mut rings: Vec<Ring> = (0..4).map(|_| Ring::new(0..SEGMENT * 100)).collect();
        let claimed = |ring: &mut Ring| std::iter::from_fn(|| ring.claim(&pool)).count();
        assert_eq!(claimed(&mut rings[0]), MOST_SEGMENTS);
        let all: usize = rings[1..].iter_mut().map(claimed).sum();
        assert!((3..3 * MOST_SEGMENTS).contains(&all), "{all}");
        rings.truncate(1);
        assert!(rings[0].filled(0, SEGMENT_BYTES));
        assert!(rings[0].drained(SEGMENT_BYTES));
        assert_eq!(rings[0].claim(&pool), Some(SEGMENT * 12..SEGMENT * 13));
    }

    #[test]
    fn a_ring_that_is_closed_comes_to_its_end_where_it_is() {
        let pool = Pool::new(1);
        let mut ring = Ring::new(7..SEGMENT * 100);
        let part = ring.claim(&pool).unwrap();
        ring.close();
        assert_eq!(ring.claim(&pool), None);
        assert!(ring.filled(part.start, SEGMENT_BYTES));
        assert!(!ring.has_room() && !ring.is_over());
        ring.drained(SEGMENT_BYTES);
        assert!(ring.is_over() && !ring.is_complete());
        assert_eq!(ring.frontier(), part.end);
    }
}
