//! The ring carrier: parts of a body that several connections fetch, drained in their order.
//!
//! Pure but for the memory, which is a window of the body: it grows by a segment at its end when
//! somebody begins to fetch that, and loses its first when all of it is drained. Their number has a
//! maximum, and each worker's memory for them as well. What of the window has not come is in parts,
//! each fetched by one, from its start; a part that comes too slowly can be split, and its end be
//! fetched by another.

use std::collections::VecDeque;
use std::ops::Range;

use crate::pump::carrier::pool::{Loan, Pool, SEGMENT_BYTES};

/// Segments of one transfer at once: 64 MiB. A gigabit a second at a round trip of 50 ms has 25 MB in
/// parts that take four round trips each; the rest is whole, and waits for the first.
pub(crate) const MOST_SEGMENTS: usize = 64;

/// What a part has at least, where it can be chosen: a request for less is hardly worth its way.
pub(crate) const LEAST_PART: u64 = 512 << 10;

/// Bytes on their way, of which the first are drained while the last are not asked for yet.
#[derive(Debug)]
pub(crate) struct Ring {
    /// The window, from `base` on.
    segments: VecDeque<Loan>,
    base: u64,
    /// Up to where it is drained.
    drained: u64,
    /// What of the window has not come, in order.
    parts: Vec<Part>,
    /// The first byte that is in no part yet.
    next: u64,
    end: u64,
    is_closed: bool,
}

/// Bytes that have not come, and are to come from one connection.
#[derive(Debug)]
struct Part {
    at: u64,
    end: u64,
    is_claimed: bool,
}

impl Ring {
    /// For the bytes of `range`, none of which has come.
    pub(crate) fn new(range: Range<u64>) -> Self {
        let Range { start, end } = range;
        Self {
            segments: VecDeque::new(),
            base: start,
            drained: start,
            parts: Vec::new(),
            next: start,
            end,
            is_closed: false,
        }
    }

    /// No segment is begun any more; those that there are go on to their ends.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Whether no segment is begun any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether it is closed, everything that came has been drained, and nobody fetches more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_closed && self.drained == self.next
    }

    /// The place of the first byte that is not there, in their order: what a single connection
    /// would go on with.
    pub(crate) fn frontier(&self) -> u64 {
        self.parts.first().map_or(self.next, |part| part.at)
    }

    /// Bytes that are in no part yet.
    pub(crate) fn unclaimed(&self) -> u64 {
        self.end - self.next
    }

    /// Whether the last byte is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.frontier() == self.end
    }

    /// Whether a byte more could be taken from a connection, or an end be noticed.
    pub(crate) fn has_room(&self) -> bool {
        self.is_complete() || !self.parts.is_empty() || self.can_begin()
    }

    fn can_begin(&self) -> bool {
        let has_memory = self.next < self.window_ends() || self.segments.len() < MOST_SEGMENTS;
        !self.is_closed && self.next < self.end && has_memory
    }

    /// Gives a part to fetch, the first that nobody fetches, of at most `most` bytes. None: all have
    /// somebody, or there is no memory for another. For the first one there always is.
    pub(crate) fn claim(&mut self, most: u64, pool: &Pool) -> Option<Range<u64>> {
        let lost = self.parts.iter().find(|part| !part.is_claimed).map(|part| part.at..part.end);
        if let Some(Range { start, end }) = lost {
            if start + most < end {
                self.split(start, start + most);
                self.disclaim(start + most);
            }
            let part = self.part(start)?;
            part.is_claimed = true;
            return Some(part.at..part.end);
        }
        if self.is_closed {
            return None;
        }
        let wanted = self.end.min(self.next.saturating_add(most.max(1)));
        while self.window_ends() < wanted && self.grow(pool) {}
        let part = self.next..wanted.min(self.window_ends());
        // Soon there will be memory for more.
        let is_too_small = part.end - part.start < most.min(LEAST_PART) && part.end < self.end;
        if part.is_empty() || is_too_small && !self.parts.is_empty() {
            return None;
        }
        self.parts.push(Part { at: part.start, end: part.end, is_claimed: true });
        self.next = part.end;
        Some(part)
    }

    /// Another segment at the end of the window. False: there is none.
    fn grow(&mut self, pool: &Pool) -> bool {
        if self.segments.len() == MOST_SEGMENTS {
            return false;
        }
        let segment = pool.lend_segment(self.segments.is_empty());
        let is_there = segment.is_some();
        self.segments.extend(segment);
        is_there
    }

    fn window_ends(&self) -> u64 {
        self.base.saturating_add(self.segments.len() as u64 * SEGMENT_BYTES as u64)
    }

    /// Whoever fetches the part that goes on at `at` does so up to `to`, and whoever asks fetches
    /// the rest, which is given. None: there is no such part.
    pub(crate) fn split(&mut self, at: u64, to: u64) -> Option<Range<u64>> {
        let place = self.parts.iter().position(|part| part.at == at)?;
        let part = self.parts.get_mut(place).filter(|part| part.at < to && to < part.end)?;
        let rest = to..std::mem::replace(&mut part.end, to);
        let Range { start: at, end } = rest;
        self.parts.insert(place + 1, Part { at, end, is_claimed: true });
        Some(rest)
    }

    /// Whoever fetched the part that goes on at `at` does so no more.
    pub(crate) fn disclaim(&mut self, at: u64) {
        if let Some(part) = self.part(at) {
            part.is_claimed = false;
        }
    }

    fn part(&mut self, at: u64) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.at == at)
    }

    /// Where the bytes from `at` on are to be put; tell how many with [`filled`](Self::filled).
    pub(crate) fn space(&mut self, at: u64, most: usize) -> &mut [u8] {
        let left = self.part(at).map_or(0, |part| part.end - part.at);
        let most = most.min(usize::try_from(left).unwrap_or(usize::MAX));
        let (segment, offset) = self.place(at);
        let Some(segment) = self.segments.get_mut(segment) else { return &mut [] };
        let end = segment.len().min(offset.saturating_add(most));
        segment.get_mut(offset..end).unwrap_or_default()
    }

    /// Which segment a byte of the window is in, and where in it.
    fn place(&self, at: u64) -> (usize, usize) {
        let offset = usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX);
        (offset / SEGMENT_BYTES, offset % SEGMENT_BYTES)
    }

    /// Bytes have come, from `at` on. Whether their part is whole now.
    pub(crate) fn filled(&mut self, at: u64, bytes: usize) -> bool {
        let Some(place) = self.parts.iter().position(|part| part.at == at) else { return true };
        let Some(part) = self.parts.get_mut(place) else { return true };
        debug_assert!(bytes as u64 <= part.end - part.at, "filled beyond the part");
        part.at = part.end.min(part.at + bytes as u64);
        let is_whole = part.at == part.end;
        if is_whole {
            self.parts.remove(place);
        }
        is_whole
    }

    /// What is to be drained next.
    pub(crate) fn front(&self) -> &[u8] {
        let Some(first) = self.segments.front() else { return &[] };
        let within = |at: u64| usize::try_from(at - self.base).unwrap_or(usize::MAX);
        let end = within(self.frontier()).min(first.len());
        first.get(within(self.drained)..end).unwrap_or_default()
    }

    /// So many bytes of [`front`](Self::front) are drained. Whether that makes room, or is the end.
    pub(crate) fn drained(&mut self, bytes: usize) -> bool {
        debug_assert!(bytes <= self.front().len(), "drained more than was held");
        self.drained = self.frontier().min(self.drained + bytes as u64);
        let first_ends = self.base.saturating_add(SEGMENT_BYTES as u64);
        let is_done = self.drained == first_ends || self.drained == self.end;
        if is_done {
            self.segments.pop_front();
            self.base = self.drained;
        }
        is_done || self.is_over()
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
                match random.u8(0..9) {
                    0 | 1 => fetchers.extend(ring.claim(random.u64(1..3 * SEGMENT), &pool)),
                    8 if !fetchers.is_empty() => {
                        let who = random.usize(..fetchers.len());
                        let Range { start, end } = fetchers[who].clone();
                        let to = random.u64(start..=end);
                        let rest = ring.split(start, to);
                        assert_eq!(rest, (start < to && to < end).then_some(to..end));
                        if let Some(rest) = rest {
                            fetchers[who].end = to;
                            fetchers.push(rest);
                        }
                    }
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
        let claimed = |ring: &mut Ring| std::iter::from_fn(|| ring.claim(SEGMENT, &pool)).count();
        assert_eq!(claimed(&mut rings[0]), MOST_SEGMENTS);
        let all: usize = rings[1..].iter_mut().map(claimed).sum();
        assert!((3..3 * MOST_SEGMENTS).contains(&all), "{all}");
        rings.truncate(1);
        assert!(rings[0].filled(0, SEGMENT_BYTES));
        assert!(rings[0].drained(SEGMENT_BYTES));
        let most = MOST_SEGMENTS as u64;
        // Of what is asked for it gives what there is memory for.
        assert_eq!(rings[0].claim(SEGMENT * 2, &pool), Some(SEGMENT * most..SEGMENT * (most + 1)));
    }

    #[test]
    fn a_ring_that_is_closed_comes_to_its_end_where_it_is() {
        let pool = Pool::new(1);
        let mut ring = Ring::new(7..SEGMENT * 100);
        let part = ring.claim(1000, &pool).unwrap();
        ring.close();
        assert_eq!(ring.claim(1000, &pool), None);
        assert!(ring.filled(part.start, 1000));
        assert!(!ring.has_room() && !ring.is_over());
        assert!(ring.drained(1000));
        assert!(ring.is_over() && !ring.is_complete());
        assert_eq!(ring.frontier(), part.end);
    }

    #[test]
    fn a_part_that_was_given_up_is_given_to_others_in_pieces_as_large_as_they_want() {
        let pool = Pool::new(1);
        let mut ring = Ring::new(0..SEGMENT * 100);
        assert_eq!(ring.claim(SEGMENT, &pool), Some(0..SEGMENT));
        assert!(!ring.filled(0, 1000));
        ring.disclaim(1000);
        assert_eq!(ring.claim(500, &pool), Some(1000..1500));
        assert_eq!(ring.claim(SEGMENT, &pool), Some(1500..SEGMENT));
        assert_eq!(ring.claim(SEGMENT, &pool), Some(SEGMENT..SEGMENT * 2));
    }
}
