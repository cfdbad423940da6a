//! Finds again what a run made, and removes that and nothing else.
//!
//! The folder is opened once and held, and must be the inode that it was. What is looked for lies
//! beneath it, without a link on the way, on the same mount, and is the inode that was made.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::line::{AfterReboot, Inode, Kind, PathName};
use crate::sys::open_beneath::{find_unmounted, find_unmounted_directory, open_directory};
use crate::volume::VolumeError;
use crate::volume::empty::{empty, reason};

/// By what a thing is known again.
#[derive(Debug)]
pub(super) struct Traits {
    pub(super) kind: Kind,
    /// Not there when the run was killed between making it and noting this.
    pub(super) inode: Option<Inode>,
    pub(super) owner: u32,
    pub(super) reboot: AfterReboot,
}

/// Something that a run made, and that is still there.
#[derive(Debug)]
pub(crate) struct Found {
    kind: Kind,
    folder: OwnedFd,
    name: PathBuf,
    path: PathBuf,
}

impl Found {
    /// Looks for a thing; nothing if it is not there, or is another one.
    pub(super) fn look_for(path: &PathName, traits: &Traits) -> io::Result<Option<Self>> {
        match Self::look(path, traits) {
            Err(error) if means_absence(&error) => Ok(None),
            found => found.map_err(reason),
        }
    }

    fn look(path: &PathName, traits: &Traits) -> io::Result<Option<Self>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = openat(AT_FDCWD, &path.folder, flags, Mode::empty())?;
        if !path.inode.is(Inode::of(&root)?, traits.reboot) {
            return Ok(None);
        }
        let Some(name) = path.name.file_name() else { return Ok(None) };
        let above = path.name.parent().unwrap_or_else(|| Path::new(""));
        let folder = open_directory(root.as_fd(), above)?;
        let there = find_unmounted(folder.as_fd(), Path::new(name))?;
        let found = fstat(&there)?;
        let is_the_kind = found.st_mode & SFlag::S_IFMT.bits() == traits.kind.to_flag().bits();
        let is_the_inode = match traits.inode {
            Some(made) => made.is(Inode::of(&there)?, traits.reboot),
            None => found.st_uid == traits.owner,
        };
        if !is_the_kind || !is_the_inode {
            return Ok(None);
        }
        // A record is its user's word: it has nobody remove what is not that user's.
        if traits.owner != geteuid().as_raw() && found.st_uid != traits.owner {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it belongs to another user than the run",
            ));
        }
        Ok(Some(Self { kind: traits.kind, folder, name: name.into(), path: path.path() }))
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`VolumeError::Remove`], naming the first thing that stays;
    /// [`VolumeError::RemoveFifo`]; [`VolumeError::RemoveFile`].
    pub(crate) fn remove(self) -> Result<(), VolumeError> {
        let Self { kind, folder, name, path } = self;
        if kind == Kind::Directory {
            return remove_directory(folder.as_fd(), &name, &path);
        }
        match unlinkat(&folder, &name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) if kind == Kind::Fifo => {
                Err(VolumeError::RemoveFifo { path, source: errno.into() })
            }
            Err(errno) => Err(VolumeError::RemoveFile { path, source: errno.into() }),
        }
    }
}

/// Removes the directory `name` in `folder` with everything in it. No link is followed, and no
/// mount is entered. `path` is its path, for messages.
///
/// # Errors
/// [`VolumeError::Remove`], naming the first thing that stays.
pub(crate) fn remove_directory(
    folder: BorrowedFd<'_>,
    name: &Path,
    path: &Path,
) -> Result<(), VolumeError> {
    let failed = |path: PathBuf, source| VolumeError::Remove { path, source };
    let there = match find_unmounted_directory(folder, name.as_os_str()) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(path.to_owned(), reason(error))),
    };
    empty(there.as_fd(), path).map_err(|remains| failed(remains.path, remains.source))?;
    unlinkat(folder, name, UnlinkatFlags::RemoveDir)
        .map_err(|errno| failed(path.to_owned(), reason(errno.into())))
}

impl Kind {
    fn to_flag(self) -> SFlag {
        match self {
            Self::Directory => SFlag::S_IFDIR,
            Self::Fifo => SFlag::S_IFIFO,
            Self::File => SFlag::S_IFREG,
        }
    }
}

/// The folder is gone, or a link or a file has the place of one.
fn means_absence(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP)
    )
}
