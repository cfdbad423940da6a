//! inotify(7), for what the streaming core asks of it: who opens and closes a file.
//!
//! The kernel tells events that are alike and follow each other only once, so two opens in a row
//! would look like one. So the file's folder is watched as well: what happens to the file is then
//! told twice, by its name in the folder and of itself, and no two events in a row are alike. What
//! the folder tells is of no other use.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

/// An inotify instance.
#[derive(Debug)]
pub struct Watches {
    inotify: Inotify,
    /// The folders of the files that are watched.
    folders: RefCell<HashMap<Watch, Watch>>,
}

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
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        Ok(Self { inotify, folders: RefCell::default() })
    }

    /// Watches a file, and its folder so that two opens in a row are told as two.
    ///
    /// # Errors
    /// `ENOSPC`: the user has `/proc/sys/fs/inotify/max_user_watches` of them.
    pub fn add(&self, path: &Path, folder: &Path) -> io::Result<Watch> {
        let separator = AddWatchFlags::IN_OPEN | AddWatchFlags::IN_ONLYDIR;
        // A folder that is watched already has its watch again.
        let folder = self.inotify.add_watch(folder, separator)?;
        let watch = self.inotify.add_watch(path, OPEN_AND_CLOSE | AddWatchFlags::IN_ACCESS);
        match watch {
            Ok(watch) => {
                self.folders.borrow_mut().insert(watch, folder);
                Ok(watch)
            }
            Err(error) => {
                self.release(folder);
                Err(error.into())
            }
        }
    }

    /// Tells no more of reads of a file that is watched; of the rest, under the same watch.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn without_reads(&self, path: &Path) -> io::Result<Watch> {
        Ok(self.inotify.add_watch(path, OPEN_AND_CLOSE)?)
    }

    /// Ends a watch. What was seen before is still told.
    ///
    /// # Errors
    /// `EINVAL`: there is no such watch.
    pub fn remove(&self, watch: Watch) -> io::Result<()> {
        let folder = self.folders.borrow_mut().remove(&watch);
        if let Some(folder) = folder {
            self.release(folder);
        }
        Ok(self.inotify.rm_watch(watch)?)
    }

    /// Ends the watch of a folder unless another file needs it.
    fn release(&self, folder: Watch) {
        if !self.folders.borrow().values().any(|other| *other == folder) {
            // A folder that is gone is watched no more.
            let _ = self.inotify.rm_watch(folder);
        }
    }

    /// What has been seen since, oldest first; empty when there is nothing more.
    ///
    /// # Errors
    /// `EINTR`.
    pub fn seen(&self) -> io::Result<Vec<Seen>> {
        // Of a busy folder a whole buffer may be of no use. Whoever hears "nothing more" waits for
        // an edge, which comes only if all was read.
        loop {
            match self.inotify.read_events() {
                Err(Errno::EAGAIN) => return Ok(Vec::new()),
                events => match useful(&events?) {
                    none if none.is_empty() => {}
                    seen => return Ok(seen),
                },
            }
        }
    }
}

/// What the events say of the files that are watched.
fn useful(events: &[InotifyEvent]) -> Vec<Seen> {
    let mut seen = Vec::with_capacity(events.len());
    for event in events {
        if event.name.is_some() || event.mask.contains(AddWatchFlags::IN_ISDIR) {
            // The folder tells it.
            continue;
        }
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
    seen
}

impl AsFd for Watches {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;

    use super::*;

    /// A file that is watched in a folder that is.
    fn watched() -> (tempfile::TempDir, PathBuf, Watches, Watch) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let watches = Watches::new().unwrap();
        let watch = watches.add(&path, folder.path()).unwrap();
        (folder, path, watches, watch)
    }

    #[test]
    fn opens_and_closes_are_told_in_their_order() {
        let (_folder, path, watches, watch) = watched();
        assert!(watches.seen().unwrap().is_empty());
        std::fs::read(&path).unwrap();
        let [opened, read, closed] =
            [Seen::Opened(watch), Seen::Read(watch), Seen::ReaderClosed(watch)];
        assert_eq!(watches.seen().unwrap(), [opened, read, closed]);
        assert_eq!(watches.without_reads(&path).unwrap(), watch);
        std::fs::read(&path).unwrap();
        assert_eq!(watches.seen().unwrap(), [opened, closed]);
    }

    #[test]
    fn two_opens_in_a_row_are_told_as_two_and_other_files_are_not_told_of() {
        let (folder, path, watches, watch) = watched();
        let _both = [File::open(&path).unwrap(), File::open(&path).unwrap()];
        std::fs::write(folder.path().join("other"), "x").unwrap();
        std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(watches.seen().unwrap(), [Seen::Opened(watch); 2]);
    }

    #[test]
    fn a_file_that_is_watched_anew_has_another_number() {
        let (folder, path, watches, first) = watched();
        watches.remove(first).unwrap();
        assert_ne!(watches.add(&path, folder.path()).unwrap(), first);
    }

    #[test]
    fn a_folder_is_watched_as_long_as_one_of_its_files_is() {
        let (folder, path, watches, first) = watched();
        let other = folder.path().join("other");
        std::fs::write(&other, "x").unwrap();
        let second = watches.add(&other, folder.path()).unwrap();
        watches.remove(first).unwrap();
        let _both = [File::open(&other).unwrap(), File::open(&other).unwrap()];
        assert_eq!(watches.seen().unwrap(), [Seen::Opened(second); 2]);
        watches.remove(second).unwrap();
        watches.seen().unwrap();
        drop(File::open(&path).unwrap());
        assert_eq!(watches.inotify.read_events().unwrap_err(), Errno::EAGAIN);
    }

    #[test]
    fn a_busy_folder_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| folder.path().join(name));
        std::fs::write(&file, "x").unwrap();
        std::fs::write(&other, "x").unwrap();
        let watches = Watches::new().unwrap();
        let watch = watches.add(&file, folder.path()).unwrap();
        for number in 0..500 {
            // Of different names, or they would be told once.
            File::create(folder.path().join(format!("other{number}"))).unwrap();
        }
        drop(File::open(&file).unwrap());
        assert_eq!(watches.seen().unwrap().first(), Some(&Seen::Opened(watch)));
    }
}
