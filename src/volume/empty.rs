//! Empties a directory that a container has had for itself.
//!
//! Symbolic links are removed and never followed; directories that nobody may read are opened up
//! first; a tree that is deeper than we have descriptors is folded up on the way. What is mounted
//! in it is not entered: it is somebody else's. Everything that can go goes: the first thing that
//! could not is what is reported.

use std::ffi::{CStr, OsStr};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::sys::open_beneath::find_unmounted_directory;

/// Something that stays.
#[derive(Debug)]
pub(super) struct Remains {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Why.
    pub(super) source: io::Error,
}

/// Removes everything in the directory `top`; `path` is its path, for the messages.
pub(super) fn empty(top: BorrowedFd<'_>, path: &Path) -> Result<(), Remains> {
    let mut sweep = Sweep { top, path: path.to_owned(), folded: 0, remains: None };
    loop {
        let before = sweep.folded;
        let directory = match reopen(top) {
            Ok(directory) => directory,
            Err(source) => return Err(Remains { path: path.to_owned(), source }),
        };
        sweep.contents(directory, &mut path.to_owned(), 0);
        if sweep.folded == before || sweep.remains.is_some() {
            break;
        }
    }
    sweep.remains.map_or(Ok(()), Err)
}

/// Says in words what the kernel means by an error here.
pub(super) fn reason(error: io::Error) -> io::Error {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EXDEV | Errno::EBUSY) => {
            io::Error::new(io::ErrorKind::CrossesDevices, "something is mounted there")
        }
        _ => error,
    }
}

/// Directories that are open at once. Below that, one is moved to the top instead.
const MAX_DEPTH: usize = 64;

/// Names tried for a directory that is moved to the top.
const MAX_NAMES: usize = 1000;

const DIRECTORY: OFlag =
    OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC).union(OFlag::O_RDONLY);

struct Sweep<'a> {
    top: BorrowedFd<'a>,
    path: PathBuf,
    /// Directories that were moved to the top so far.
    folded: usize,
    remains: Option<Remains>,
}

impl Sweep<'_> {
    fn contents(&mut self, mut directory: Dir, path: &mut PathBuf, depth: usize) {
        let Ok(parent) = directory.as_fd().try_clone_to_owned() else {
            return self.stays(path, Errno::EMFILE);
        };
        for entry in directory.iter() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(errno) => return self.stays(path, errno),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            path.push(OsStr::from_bytes(name.to_bytes()));
            let is_directory = entry.file_type() == Some(Type::Directory);
            if let Err(errno) = self.one(&parent, name, is_directory, path, depth) {
                self.stays(path, errno);
            }
            path.pop();
        }
    }

    fn one(
        &mut self,
        parent: &OwnedFd,
        name: &CStr,
        is_directory: bool,
        path: &mut PathBuf,
        depth: usize,
    ) -> Result<(), Errno> {
        if !is_directory {
            // Some file systems do not say what an entry is.
            return match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
                Err(Errno::EISDIR) => self.one(parent, name, true, path, depth),
                other => other,
            };
        }
        if depth == MAX_DEPTH {
            return self.fold_up(parent, name);
        }
        self.contents(open_up(parent.as_fd(), name)?, path, depth + 1);
        match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
            // What is still in it has been noted already.
            Err(Errno::ENOTEMPTY | Errno::EEXIST) if self.remains.is_some() => Ok(()),
            other => other,
        }
    }

    /// Moves a directory to the top, where the next pass finds it at depth 0.
    fn fold_up(&mut self, parent: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        for _ in 0..MAX_NAMES {
            self.folded += 1;
            let fresh = format!(".gantline-{}", self.folded);
            match renameat(parent, name, self.top, fresh.as_str()) {
                Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
                other => return other,
            }
        }
        Err(Errno::EEXIST)
    }

    fn stays(&mut self, path: &Path, errno: Errno) {
        tracing::debug!(path = %path.display(), top = %self.path.display(), %errno, "stays");
        self.remains
            .get_or_insert_with(|| Remains { path: path.to_owned(), source: reason(errno.into()) });
    }
}

/// Opens the same directory anew, at its beginning.
fn reopen(directory: BorrowedFd<'_>) -> io::Result<Dir> {
    Ok(open_up(directory, c".")?)
}

/// Opens a directory, and lets its owner read and change it first where that was taken away.
fn open_up(parent: BorrowedFd<'_>, name: &CStr) -> Result<Dir, Errno> {
    let place = find_unmounted_directory(parent, OsStr::from_bytes(name.to_bytes()))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))?;
    // An O_PATH descriptor takes no fchmod; its link in /proc leads to it and nowhere else.
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    let open = |link: &str| openat(parent, link, DIRECTORY & !OFlag::O_NOFOLLOW, Mode::empty());
    let mode = nix::sys::stat::fstat(&place)?.st_mode & 0o7777;
    if mode & 0o700 != 0o700 {
        // Not ours, perhaps: then opening or removing says so, or is allowed in another way.
        let _ = std::fs::set_permissions(&link, Permissions::from_mode(mode | 0o700));
    }
    Dir::from_fd(open(&link)?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    fn emptied(folder: &Path) -> Result<(), Remains> {
        empty(File::open(folder).unwrap().as_fd(), folder)
    }

    #[test]
    fn links_go_and_what_they_lead_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "x").unwrap();
        let folder = tempfile::tempdir().unwrap();
        symlink(outside.path(), folder.path().join("link")).unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        symlink(outside.path(), folder.path().join("sub/link")).unwrap();
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        emptied(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(outside.path().join("precious").exists());
    }

    #[test]
    fn directories_that_nobody_may_read_go_too() {
        let folder = tempfile::tempdir().unwrap();
        let shut = folder.path().join("a/shut");
        fs::create_dir_all(&shut).unwrap();
        fs::write(shut.join("file"), "x").unwrap();
        fs::set_permissions(&shut, Permissions::from_mode(0o0)).unwrap();
        fs::set_permissions(shut.parent().unwrap(), Permissions::from_mode(0o400)).unwrap();
        emptied(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_tree_deeper_than_our_descriptors_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut place: OwnedFd = File::open(folder.path()).unwrap().into();
        for _ in 0..2000 {
            nix::sys::stat::mkdirat(&place, "d", Mode::S_IRWXU).unwrap();
            place = openat(&place, "d", DIRECTORY, Mode::empty()).unwrap();
        }
        emptied(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_that_we_would_use_for_folding_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(".gantline-1/x")).unwrap();
        let deep: PathBuf = std::iter::repeat_n("d", MAX_DEPTH + 5).collect();
        fs::create_dir_all(folder.path().join(deep)).unwrap();
        emptied(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_is_not_moved_to_the_top_when_every_name_for_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let take =
            |nth| fs::create_dir_all(folder.path().join(format!(".gantline-{nth}/x"))).unwrap();
        (1..MAX_NAMES).for_each(take);
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let top = OwnedFd::from(File::open(folder.path()).unwrap());
        let parent = OwnedFd::from(File::open(folder.path().join("a")).unwrap());
        let folded = || {
            let path = folder.path().to_owned();
            let mut sweep = Sweep { top: top.as_fd(), path, folded: 0, remains: None };
            sweep.fold_up(&parent, c"b")
        };
        take(MAX_NAMES);
        assert_eq!(folded(), Err(Errno::EEXIST));
        fs::remove_dir_all(folder.path().join(format!(".gantline-{MAX_NAMES}"))).unwrap();
        assert_eq!(folded(), Ok(()));
    }
}
