//! Fixed buffers, lent one at a time, never more than a maximum.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// How large a buffer is. Larger ones were no faster into a pipe of 1 MiB, and leave the cache.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;

/// The buffers of one worker.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Rc<RefCell<Shelf>>);

#[derive(Debug)]
struct Shelf {
    free: Vec<Box<[u8]>>,
    unmade: usize,
}

impl Pool {
    /// A pool that hands out at most `most` buffers; they are made when first asked for.
    pub(crate) fn new(most: usize) -> Self {
        Self(Rc::new(RefCell::new(Shelf { free: Vec::new(), unmade: most })))
    }

    /// Lends a buffer, if there is one left.
    pub(crate) fn lend(&self) -> Option<Buffer> {
        let mut shelf = self.0.borrow_mut();
        let bytes = match shelf.free.pop() {
            Some(bytes) => bytes,
            None => {
                shelf.unmade = shelf.unmade.checked_sub(1)?;
                vec![0; BUFFER_BYTES].into_boxed_slice()
            }
        };
        Some(Buffer { bytes, home: Rc::clone(&self.0) })
    }

    /// Whether [`lend`](Self::lend) would succeed.
    pub(crate) fn has_one(&self) -> bool {
        let shelf = self.0.borrow();
        shelf.unmade > 0 || !shelf.free.is_empty()
    }
}

/// A buffer on loan; dropping it gives it back.
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
        self.home.borrow_mut().free.push(std::mem::take(&mut self.bytes));
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
        let first = pool.lend().unwrap();
        let _second = pool.lend().unwrap();
        assert!(pool.lend().is_none());
        assert!(!pool.has_one());
        drop(first);
        assert_eq!(pool.lend().unwrap().len(), BUFFER_BYTES);
    }
}
