//! What inotify tells a worker, sorted by FIFO.
//!
//! A worker has one inotify instance for all its FIFOs. Whoever hears for one FIFO takes what there is
//! for all of them, and keeps it for the others.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use crate::pump::fifo::ends::Seen;
use crate::sys::fifo::Fifo;
use crate::sys::inotify::{self, Watch, Watches};

/// A worker's inotify instance.
#[derive(Debug)]
pub(crate) struct Ears {
    watches: Watches,
    /// What was told of each FIFO, and it has not heard.
    told: RefCell<HashMap<Watch, Vec<Seen>>>,
    /// How often events were lost.
    losses: Cell<u64>,
    has_news: Cell<bool>,
}

impl Ears {
    pub(crate) fn new(watches: Watches) -> Self {
        Self { watches, told: RefCell::default(), losses: Cell::new(0), has_news: Cell::new(false) }
    }

    /// Watches a FIFO.
    ///
    /// # Errors
    /// `ENOSPC`: the user has no watches left.
    pub(crate) fn watch(self: &Rc<Self>, fifo: &Fifo) -> io::Result<Hearer> {
        let watch = self.watches.add(&fifo.path(), &fifo.folder())?;
        self.told.borrow_mut().insert(watch, Vec::new());
        Ok(Hearer { ears: Rc::clone(self), watch, losses: self.losses.get() })
    }

    /// Takes what inotify has to tell by now.
    pub(crate) fn listen(&self) {
        loop {
            match self.watches.seen() {
                Ok(seen) if seen.is_empty() => return,
                Ok(seen) => seen.into_iter().for_each(|seen| self.keep(seen)),
                Err(error) => {
                    tracing::debug!(%error, "inotify failed");
                    return self.keep(inotify::Seen::Overflow);
                }
            }
        }
    }

    /// Keeps what was seen for the FIFO that it was seen of.
    pub(super) fn keep(&self, seen: inotify::Seen) {
        self.has_news.set(true);
        let (watch, seen) = match seen {
            inotify::Seen::Opened(watch) => (watch, Seen::Opened),
            inotify::Seen::Read(watch) => (watch, Seen::Read),
            inotify::Seen::ReaderClosed(watch) => (watch, Seen::Closed),
            inotify::Seen::Overflow => return self.losses.set(self.losses.get() + 1),
        };
        // What is left was seen of a watch that is over.
        if let Some(told) = self.told.borrow_mut().get_mut(&watch) {
            told.push(seen);
        }
    }

    /// Whether something was told since this was asked last, which its FIFO may not have heard.
    pub(crate) fn take_news(&self) -> bool {
        self.has_news.take()
    }

    /// Whether it was.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news.get()
    }
}

impl AsFd for Ears {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watches.as_fd()
    }
}

/// Hears what is told of one FIFO. Dropping it ends its watch.
#[derive(Debug)]
pub(crate) struct Hearer {
    ears: Rc<Ears>,
    watch: Watch,
    /// Losses that it has heard of.
    losses: u64,
}

impl Hearer {
    /// What was seen of the FIFO since the last call, oldest first.
    pub(crate) fn hear(&mut self) -> Vec<Seen> {
        self.ears.listen();
        let mut told = self.ears.told.borrow_mut();
        let mut told = told.get_mut(&self.watch).map(std::mem::take).unwrap_or_default();
        if std::mem::replace(&mut self.losses, self.ears.losses.get()) != self.losses {
            told.push(Seen::Lost);
        }
        told
    }

    /// Tells no more of reads. That somebody has read is to be known once a reading, and not to wake
    /// us for every read.
    pub(crate) fn mute_reads(&self, fifo: &Fifo) {
        // If it cannot be, we are woken more often than need be.
        let _ = self.ears.watches.without_reads(&fifo.path());
    }

    /// Tells of reads again.
    ///
    /// # Errors
    /// As [`Ears::watch`].
    pub(crate) fn tell_reads(&self, fifo: &Fifo) -> io::Result<()> {
        self.ears.watches.add(&fifo.path(), &fifo.folder()).map(drop)
    }
}

impl Drop for Hearer {
    fn drop(&mut self) {
        self.ears.told.borrow_mut().remove(&self.watch);
        // The FIFO may be gone, and its watch with it.
        let _ = self.ears.watches.remove(self.watch);
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::File;

    use super::*;

    #[test]
    fn each_fifo_hears_its_own_and_all_hear_that_something_was_lost() {
        let folder = tempfile::tempdir().unwrap();
        let open = File::open(folder.path()).unwrap();
        let ears = Rc::new(Ears::new(Watches::new().unwrap()));
        let [(fifo, mut one), (_, mut other)] = ["one", "other"].map(|name| {
            let fifo = Fifo::create(open.as_fd(), OsStr::new(name)).unwrap();
            let hearer = ears.watch(&fifo).unwrap();
            (fifo, hearer)
        });
        drop(fifo.open_reader().unwrap());
        assert!(!ears.has_news());
        assert_eq!(other.hear(), []);
        assert!(ears.take_news() && !ears.has_news());
        ears.keep(inotify::Seen::Overflow);
        assert_eq!(one.hear(), [Seen::Opened, Seen::Closed, Seen::Lost]);
        assert_eq!(other.hear(), [Seen::Lost]);
        assert_eq!(one.hear(), []);
        // What is seen of a watch that is over is nobody's.
        drop(one);
        drop(fifo.open_reader().unwrap());
        assert_eq!(other.hear(), []);
    }
}
