//! A FIFO, held by its inode.
//!
//! Whoever else can write in the folder may rename, replace or link what stands under the FIFO's
//! name. A [`Fifo`] keeps an `O_PATH` descriptor of the inode that it made and opens the ends
//! through `/proc/self/fd`, so it never looks the name up again, save for removing it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, mkfifoat, unlinkat};

/// A FIFO that we made. Its clones share its descriptors.
#[derive(Debug, Clone)]
pub struct Fifo {
    directory: Arc<OwnedFd>,
    name: Arc<OsStr>,
    inode: Arc<OwnedFd>,
}

impl Fifo {
    /// Makes a FIFO in an open directory, readable and writable by everybody (0666), whatever the
    /// umask: the program in the container may be any user.
    ///
    /// # Errors
    /// `EEXIST`: there is something of that name. `EINVAL`: `name` is not a single component.
    /// `EROFS`, `EACCES`, `ENOSPC`, `EPERM` (a file system without FIFOs) as in mkfifoat(2).
    pub fn create(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Self> {
        Self::create_in(Arc::new(directory.try_clone_to_owned()?), name)
    }

    /// The same in a directory whose descriptor it shares.
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    pub(crate) fn create_in(directory: Arc<OwnedFd>, name: &OsStr) -> io::Result<Self> {
        if name.is_empty() || name == "." || name == ".." || name.as_encoded_bytes().contains(&b'/')
        {
            return Err(Errno::EINVAL.into());
        }
        mkfifoat(&directory, name, Mode::from_bits_truncate(0o600))?;
        match Self::open_inode(directory.as_fd(), name) {
            Ok(inode) => Ok(Self { directory, name: name.into(), inode: Arc::new(inode) }),
            Err(error) => {
                // The error that is returned matters more than one of removing what was just made.
                let _ = unlinkat(&directory, name, UnlinkatFlags::NoRemoveDir);
                Err(error)
            }
        }
    }

    fn open_inode(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let inode = openat(directory, name, flags, Mode::empty())?;
        let kind = fstat(&inode)?.st_mode & SFlag::S_IFMT.bits();
        if kind != SFlag::S_IFIFO.bits() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it was replaced"));
        }
        // fchmod(2) refuses an O_PATH descriptor (EBADF), its name in /proc does not.
        let everybody = Mode::from_bits_truncate(0o666);
        fchmodat(
            nix::fcntl::AT_FDCWD,
            &proc_path(&inode),
            everybody,
            FchmodatFlags::FollowSymlink,
        )?;
        Ok(inode)
    }

    /// Opens the reading end. Never blocks, with or without a writer.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: no descriptors left.
    pub fn open_reader(&self) -> io::Result<OwnedFd> {
        self.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK)
    }

    /// Opens the writing end without waiting for a reader.
    ///
    /// # Errors
    /// `ENXIO`: nobody has it open for reading. `EMFILE`, `ENFILE`: no descriptors left.
    pub fn open_writer(&self) -> io::Result<OwnedFd> {
        self.open(OFlag::O_WRONLY | OFlag::O_NONBLOCK)
    }

    /// Opens the writing end and waits for a reader, however long that takes.
    ///
    /// The descriptor that comes back does not block.
    ///
    /// # Errors
    /// `EINTR`; `EMFILE`, `ENFILE`: no descriptors left.
    pub fn open_writer_and_wait(&self) -> io::Result<OwnedFd> {
        let writer = self.open(OFlag::O_WRONLY)?;
        rustix::io::ioctl_fionbio(&writer, true)?;
        Ok(writer)
    }

    /// Opens both ends at once: readers and writers then open without waiting, bytes stay in the
    /// FIFO although nobody reads, and neither end-of-file nor `EPIPE` is to be seen. See fifo(7).
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: no descriptors left.
    pub fn open_hold(&self) -> io::Result<OwnedFd> {
        self.open(OFlag::O_RDWR | OFlag::O_NONBLOCK)
    }

    fn open(&self, flags: OFlag) -> io::Result<OwnedFd> {
        Ok(open(&proc_path(&self.inode), flags | OFlag::O_CLOEXEC, Mode::empty())?)
    }

    /// The inode itself: an `O_PATH` descriptor.
    pub fn inode(&self) -> BorrowedFd<'_> {
        self.inode.as_fd()
    }

    /// A path at which this process finds the inode, for calls that take no descriptor.
    pub fn path(&self) -> PathBuf {
        proc_path(&self.inode)
    }

    /// A path at which this process finds the folder that it was made in.
    pub fn folder(&self) -> PathBuf {
        proc_path(&self.directory)
    }

    /// Where it was made, as its folder is called by now: for messages.
    pub fn made_at(&self) -> PathBuf {
        // Without /proc there would be no end of it, either.
        std::fs::read_link(self.folder()).unwrap_or_default().join(&*self.name)
    }

    /// The folder that it was made in, to be shared.
    pub(crate) fn directory(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.directory)
    }

    /// The folder that it was made in, and its name there.
    pub fn place(&self) -> (BorrowedFd<'_>, &OsStr) {
        (self.directory.as_fd(), &self.name)
    }

    /// Whether its name still leads to our inode.
    ///
    /// # Errors
    /// As fstatat(2); a name that is gone is none.
    pub fn is_in_place(&self) -> io::Result<bool> {
        match fstatat(&self.directory, &*self.name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(false),
            there => Ok(is_same(&there?, &fstat(&self.inode)?)),
        }
    }

    /// Whether something that was found is our inode.
    ///
    /// # Errors
    /// As fstat(2).
    pub(crate) fn is(&self, found: impl AsFd) -> io::Result<bool> {
        Ok(is_same(&fstat(found)?, &fstat(&self.inode)?))
    }

    /// Removes the name, if it still leads to our inode. True if it did.
    ///
    /// A process that waits in open(2) for the other side goes on waiting: open that first.
    ///
    /// # Errors
    /// As unlinkat(2); a name that is gone already is none.
    pub fn remove(&self) -> io::Result<bool> {
        if !self.is_in_place()? {
            return Ok(false);
        }
        unlinkat(&self.directory, &*self.name, UnlinkatFlags::NoRemoveDir)?;
        Ok(true)
    }
}

fn is_same(one: &FileStat, other: &FileStat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// The name that /proc gives a descriptor of this process.
fn proc_path(descriptor: &impl AsFd) -> PathBuf {
    let mut path = String::from("/proc/self/fd/");
    // Writing into a String does not fail.
    let _ = write!(path, "{}", descriptor.as_fd().as_raw_fd());
    path.into()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn directory() -> (tempfile::TempDir, OwnedFd) {
        let directory = tempfile::tempdir().unwrap();
        let open = File::open(directory.path()).unwrap().into();
        (directory, open)
    }

    #[test]
    fn everybody_may_use_it_whatever_the_umask() {
        let (directory, open) = directory();
        let before = nix::sys::stat::umask(Mode::from_bits_truncate(0o077));
        let fifo = Fifo::create(open.as_fd(), OsStr::new("in"));
        nix::sys::stat::umask(before);
        fifo.unwrap();
        let mode = fs::metadata(directory.path().join("in")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o666);
    }

    #[test]
    fn a_replaced_name_is_neither_opened_nor_removed() {
        let (directory, open) = directory();
        let fifo = Fifo::create(open.as_fd(), OsStr::new("in")).unwrap();
        let path = directory.path().join("in");
        fs::rename(&path, directory.path().join("elsewhere")).unwrap();
        fs::write(&path, "planted").unwrap();
        let hold = fifo.open_hold().unwrap();
        nix::unistd::write(&hold, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"planted");
        assert!(!fifo.remove().unwrap());
        assert!(path.exists());
    }

    #[test]
    fn a_name_with_a_folder_in_it_is_refused() {
        let (_directory, open) = directory();
        for name in ["", ".", "..", "a/b", "/x"] {
            let error = Fifo::create(open.as_fd(), OsStr::new(name)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::EINVAL as i32), "{name:?}");
        }
    }

    #[test]
    fn a_writer_without_a_reader_is_told_so() {
        let (_directory, open) = directory();
        let fifo = Fifo::create(open.as_fd(), OsStr::new("in")).unwrap();
        let error = fifo.open_writer().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::ENXIO as i32));
        let _reader = fifo.open_reader().unwrap();
        fifo.open_writer().unwrap();
        assert!(fifo.remove().unwrap());
        assert!(!fifo.remove().unwrap());
    }
}
