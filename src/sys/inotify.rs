//! inotify(7), for what the streaming core asks of it: who opens and closes a file.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// An inotify instance.
#[derive(Debug)]
pub struct Watches(Inotify);

/// One watched file. Numbers are not used twice by one instance.
pub type Watch = WatchDescriptor;

const OPEN_AND_CLOSE: AddWatchFlags = AddWatchFlags::IN_OPEN.union(AddWatchFlags::IN_CLOSE_NOWRITE);

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// open(2) of the file has returned to somebody. A FIFO's returns when both ends are open.
    Opened(Watch),
    /// Somebody has read from it.
    Read(Watch),
    /// A descriptor that was open only for reading has been closed for good.
    ReaderClosed(Watch),
    /// Events were lost (`IN_Q_OVERFLOW`): ask the files themselves.
    Overflow,
}

impl Watches {
    /// Makes an instance.
    ///
    /// # Errors
    /// `EMFILE`: the user has `/proc/sys/fs/inotify/max_user_instances` of them, or the process no
    /// descriptors left. `ENOSYS`: the kernel has no inotify.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?))
    }

    /// Watches a file. Identical events that follow each other unread are told once.
    ///
    /// # Errors
    /// `ENOSPC`: the user has `/proc/sys/fs/inotify/max_user_watches` of them.
    pub fn add(&self, path: &Path) -> io::Result<Watch> {
        Ok(self.0.add_watch(path, OPEN_AND_CLOSE | AddWatchFlags::IN_ACCESS)?)
    }

    /// Tells no more of reads of a file that is watched; of the rest, under the same watch.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn without_reads(&self, path: &Path) -> io::Result<Watch> {
        Ok(self.0.add_watch(path, OPEN_AND_CLOSE)?)
    }

    /// Ends a watch. What was seen before is still told.
    ///
    /// # Errors
    /// `EINVAL`: there is no such watch.
    pub fn remove(&self, watch: Watch) -> io::Result<()> {
        Ok(self.0.rm_watch(watch)?)
    }

    /// What has been seen since, oldest first; empty when there is nothing more.
    ///
    /// # Errors
    /// `EINTR`.
    pub fn seen(&self) -> io::Result<Vec<Seen>> {
        let events = match self.0.read_events() {
            Err(Errno::EAGAIN) => return Ok(Vec::new()),
            events => events?,
        };
        let mut seen = Vec::with_capacity(events.len());
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                seen.push(Seen::Overflow);
            } else if event.mask.contains(AddWatchFlags::IN_OPEN) {
                seen.push(Seen::Opened(event.wd));
            } else if event.mask.contains(AddWatchFlags::IN_ACCESS) {
                seen.push(Seen::Read(event.wd));
            } else if event.mask.contains(AddWatchFlags::IN_CLOSE_NOWRITE) {
                seen.push(Seen::ReaderClosed(event.wd));
            }
        }
        Ok(seen)
    }
}

impl AsFd for Watches {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn opens_and_closes_are_told_in_their_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let watches = Watches::new().unwrap();
        let watch = watches.add(file.path()).unwrap();
        assert!(watches.seen().unwrap().is_empty());
        drop(File::open(file.path()).unwrap());
        std::fs::write(file.path(), "x").unwrap();
        watches.seen().unwrap();
        std::fs::read(file.path()).unwrap();
        let all = [Seen::Opened(watch), Seen::Read(watch), Seen::ReaderClosed(watch)];
        assert_eq!(watches.seen().unwrap(), all);
        assert_eq!(watches.without_reads(file.path()).unwrap(), watch);
        std::fs::read(file.path()).unwrap();
        let [opened, _, closed] = all;
        assert_eq!(watches.seen().unwrap(), [opened, closed]);
    }

    #[test]
    fn a_file_that_is_watched_anew_has_another_number() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let watches = Watches::new().unwrap();
        let first = watches.add(file.path()).unwrap();
        watches.remove(first).unwrap();
        assert_ne!(watches.add(file.path()).unwrap(), first);
    }
}
