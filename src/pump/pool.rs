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

/// The buffers of one worker.
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
    pub(crate) fn lend(&self) -> Buffer {
        let mut shelf = self.0.borrow_mut();
        let bytes = shelf.free.pop().unwrap_or_else(|| {
            let bytes = if shelf.unmade > 0 { BUFFER_BYTES } else { SPARE_BYTES };
            shelf.unmade = shelf.unmade.saturating_sub(1);
            vec![0; bytes].into_boxed_slice()
        });
        Buffer { bytes, home: Rc::clone(&self.0) }
    }
}

impl Pool {
    /// Lends the memory of a segment. None: there is no more, unless `it_must_be`.
    pub(crate) fn lend_segment(&self, it_must_be: bool) -> Option<Segment> {
        let mut shelf = self.0.borrow_mut();
        let is_counted = shelf.segments > 0;
        if !is_counted && !it_must_be {
            return None;
        }
        shelf.segments -= usize::from(is_counted);
        let bytes = vec![0; SEGMENT_BYTES].into_boxed_slice();
        Some(Segment { bytes, home: is_counted.then(|| Rc::clone(&self.0)) })
    }
}

/// A segment's memory on loan; dropping it gives it back, to the system.
pub(crate) struct Segment {
    bytes: Box<[u8]>,
    home: Option<Rc<RefCell<Shelf>>>,
}

impl Deref for Segment {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Segment {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.borrow_mut().segments += 1;
        }
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").finish_non_exhaustive()
    }
}

/// A buffer on loan; dropping it gives it back. A small one is not kept.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    home: Rc<RefCell<Shelf>>,
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() == BUFFER_BYTES {
            self.home.borrow_mut().free.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("bytes", &self.bytes.len()).finish()
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
