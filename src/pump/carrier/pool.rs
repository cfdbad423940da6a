//! Fixed buffers, lent one at a time; beyond a maximum, small ones.
//!
//! Whoever waits for a buffer may wait for ever: those that have one may be full of bytes for
//! readers that will not read before they have got what the waiting one would give them. So
//! everybody gets one, and those that come late a small one, which makes them slower only.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// How large a buffer is: what a pipe holds. With 256 KiB a stream over TLS needs a tenth more CPU time;
/// sixteen of them are as fast either way.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;

/// How large the small ones are: what a splice carrier may have to rescue, and three TLS records.
/// A FIFO's own memory is sixteen times that.
pub(crate) const SPARE_BYTES: usize = 64 << 10;

/// How large a segment of a ring's memory is.
pub(crate) const SEGMENT_BYTES: usize = 4 << 20;

/// Segments that the transfers of one worker have together, beside the first of each: 96 MiB.
const SEGMENTS: usize = 24;

/// The memory of one worker.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Rc<RefCell<Shelf>>);

#[derive(Debug)]
struct Shelf {
    free: Vec<Box<[u8]>>,
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
            return self.loan(zeros(SPARE_BYTES), Back::Nowhere);
        }
        shelf.unmade -= 1;
        self.loan(zeros(BUFFER_BYTES), Back::ToTheShelf)
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
        Some(self.loan(zeros(SEGMENT_BYTES), back))
    }

    fn loan(&self, bytes: Box<[u8]>, back: Back) -> Loan {
        Loan { bytes, back, home: Rc::clone(&self.0) }
    }
}

fn zeros(bytes: usize) -> Box<[u8]> {
    vec![0; bytes].into_boxed_slice()
}

/// Memory on loan; dropping it gives it back.
pub(crate) struct Loan {
    bytes: Box<[u8]>,
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
                self.home.borrow_mut().free.push(std::mem::take(&mut self.bytes));
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
}
