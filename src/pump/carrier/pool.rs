//! The memory of one worker: buffers for what is copied, segments for rings.
//!
//! No transfer waits for a buffer, since it could wait for ever. Each buffer may hold bytes of a program
//! that wants other bytes first: those of the transfer that waits. So a transfer that finds no large buffer
//! gets a small one, and is slower. The number of large buffers has a maximum.
//!
//! The memory is mapped for us alone, with no file behind it. It takes no room before it is written to,
//! and the system has it back when it is no longer needed.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use memmap2::MmapMut;

use crate::sys::pipe::PIPE_BYTES;

/// How large a buffer is. With 256 KiB one transfer over TLS needs a tenth more CPU time.
pub(crate) const BUFFER_BYTES: usize = PIPE_BYTES;

/// How large a small buffer is. Three TLS records fit into it, and so does what a pipe between holds when it
/// turns out that its sink cannot be spliced into.
pub(crate) const SPARE_BYTES: usize = 64 << 10;

/// How large a segment of a ring's memory is.
pub(crate) const SEGMENT_BYTES: usize = 1 << 20;

/// Segments that the transfers of one worker have together, beside the first of each: 96 MiB.
const SEGMENTS: usize = 96;

/// What of a mapping is left out at its beginning: a line of the cache. The kernel copies with `rep movsb`, which on
/// some processors (seen on an AMD EPYC: a sixth of the rate) is slow where the target's place in its page is
/// up to 63 bytes above the source's. The engine's frames begin on a page and are eight bytes longer than
/// pages are, so that in a buffer that begins on a page the first seven of them would be met by that.
const LEAD_BYTES: usize = 64;

/// The memory of one worker.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Rc<RefCell<Shelf>>);

#[derive(Debug)]
struct Shelf {
    free: Vec<Memory>,
    unmade: usize,
    segments: usize,
}

impl Pool {
    /// A pool of at most `most` buffers; they are made when first asked for.
    pub(crate) fn new(most: usize) -> Self {
        Self(Rc::new(RefCell::new(Shelf { free: Vec::new(), unmade: most, segments: SEGMENTS })))
    }

    /// Lends a buffer: one of [`BUFFER_BYTES`] while there are any, then one of [`SPARE_BYTES`].
    pub(crate) fn lend(&self) -> Loan {
        let mut shelf = self.0.borrow_mut();
        if let Some(bytes) = shelf.free.pop() {
            return self.loan(bytes, Back::ToTheShelf);
        }
        if shelf.unmade == 0 {
            return self.loan(Memory::new(SPARE_BYTES), Back::Nowhere);
        }
        shelf.unmade -= 1;
        self.loan(Memory::new(BUFFER_BYTES), Back::ToTheShelf)
    }

    /// Lends the memory of a segment. None: there is no more, unless `it_must_be`.
    pub(crate) fn lend_segment(&self, it_must_be: bool) -> Option<Loan> {
        let mut shelf = self.0.borrow_mut();
        let back = match shelf.segments {
            0 if !it_must_be => return None,
            0 => Back::Nowhere,
            _ => Back::AsASegment,
        };
        shelf.segments = shelf.segments.saturating_sub(1);
        Some(self.loan(Memory::new(SEGMENT_BYTES), back))
    }

    /// Gives buffers back to the system that so many transfers cannot use at once.
    pub(crate) fn trim(&self, transfers: usize) {
        let mut shelf = self.0.borrow_mut();
        let dropped = shelf.free.len().saturating_sub(transfers);
        shelf.free.truncate(transfers);
        shelf.unmade += dropped;
    }

    fn loan(&self, bytes: Memory, back: Back) -> Loan {
        Loan { bytes, back, home: Rc::clone(&self.0) }
    }
}

/// Bytes that are ours alone, zeros at first.
#[derive(Debug)]
enum Memory {
    Mapped(MmapMut),
    /// The system has no more mappings for us (`/proc/sys/vm/max_map_count`), or it is too little to be
    /// worth one.
    Allocated(Box<[u8]>),
}

impl Memory {
    fn new(bytes: usize) -> Self {
        let mapped =
            if bytes > SPARE_BYTES { MmapMut::map_anon(LEAD_BYTES + bytes).ok() } else { None };
        match mapped {
            Some(mapped) => Self::Mapped(mapped),
            None => Self::Allocated(vec![0; bytes].into_boxed_slice()),
        }
    }
}

impl Deref for Memory {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => &bytes[LEAD_BYTES..],
            Self::Allocated(bytes) => bytes,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(bytes) => &mut bytes[LEAD_BYTES..],
            Self::Allocated(bytes) => bytes,
        }
    }
}

/// Memory on loan; dropping it gives it back.
pub(crate) struct Loan {
    bytes: Memory,
    back: Back,
    home: Rc<RefCell<Shelf>>,
}

/// What becomes of memory that is given back.
#[derive(Debug, Clone, Copy)]
enum Back {
    /// It is lent again.
    ToTheShelf,
    /// The system has it, and another segment may be lent.
    AsASegment,
    /// The system has it: it was beyond the maximum.
    Nowhere,
}

impl Deref for Loan {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        match self.back {
            Back::ToTheShelf => {
                let nothing = Memory::Allocated(Box::default());
                let bytes = std::mem::replace(&mut self.bytes, nothing);
                self.home.borrow_mut().free.push(bytes);
            }
            Back::AsASegment => self.home.borrow_mut().segments += 1,
            Back::Nowhere => {}
        }
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_holds_and_what_comes_back_is_lent_again() {
        let pool = Pool::new(2);
        let first = pool.lend();
        let _second = pool.lend();
        for _ in 0..3 {
            assert_eq!(pool.lend().len(), SPARE_BYTES);
        }
        drop(first);
        assert_eq!(pool.lend().len(), BUFFER_BYTES);
        assert_eq!(pool.0.borrow().free.len(), 1);
    }

    #[test]
    fn buffers_and_segments_are_mapped_with_no_file_behind_them_and_what_is_small_is_not() {
        let pool = Pool::new(1);
        let (buffer, segment) = (pool.lend(), pool.lend_segment(false).unwrap());
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        for (loan, bytes) in [(&buffer, BUFFER_BYTES), (&segment, SEGMENT_BYTES)] {
            let Memory::Mapped(mapped) = &loan.bytes else { panic!("{:?}", loan.bytes) };
            assert_eq!((loan.len(), mapped.len()), (bytes, LEAD_BYTES + bytes));
            let at = mapped.as_ptr() as usize;
            let of = |line: &&str| {
                let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
                let [from, to] = [from, to].map(|text| usize::from_str_radix(text, 16).unwrap());
                (from..to).contains(&at)
            };
            let words: Vec<&str> = maps.lines().find(of).unwrap().split_whitespace().collect();
            // Its device and inode, and no path.
            assert_eq!(words[3..], ["00:00", "0"], "{words:?}");
        }
        assert!(matches!(pool.lend().bytes, Memory::Allocated(_)));
    }

    #[test]
    fn when_a_crowd_has_left_the_system_has_its_memory_back() {
        let pool = Pool::new(3);
        drop([pool.lend(), pool.lend(), pool.lend()]);
        pool.trim(1);
        assert_eq!(pool.0.borrow().free.len(), 1);
        assert!(
            [pool.lend(), pool.lend(), pool.lend()].iter().all(|one| one.len() == BUFFER_BYTES)
        );
    }
}
