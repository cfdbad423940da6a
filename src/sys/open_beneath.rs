//! Opening what lies beneath a folder, and nothing else.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

/// Opens a folder beneath `root`; an empty `path` is `root` itself.
///
/// No symbolic link is followed, and `..` does not lead out: openat2(2) with `RESOLVE_BENEATH` and
/// `RESOLVE_NO_SYMLINKS`, Linux 5.6.
///
/// # Errors
/// `ELOOP`: a component is a symbolic link. `EXDEV`: the path leads out. `ENOENT`, `ENOTDIR`,
/// `EACCES` as open(2). `ENOSYS`: an older kernel.
pub fn open_directory(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { OsStr::new(".") } else { path.as_os_str() };
    open(root, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
}

/// Makes a file beneath `root`, open for writing and reading, that only we may read yet.
///
/// # Errors
/// As [`open_directory`]. `EEXIST`: something has that name.
pub fn create_file(root: BorrowedFd<'_>, path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    open_with(root, path.as_os_str(), flags, mode).map(File::from)
}

/// Finds what has a name beneath `root`, without opening it: a FIFO is not waited for, a device is
/// not woken. A symbolic link at the end is found as itself.
///
/// # Errors
/// As [`open_directory`].
pub fn find(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    open(root, path.as_os_str(), OFlag::O_PATH | OFlag::O_NOFOLLOW)
}

/// Finds what has a name beneath `root`, as [`find`] does, but goes by symbolic links that stay beneath it:
/// by those on the way, and `Links::Followed` by one at the end.
///
/// # Errors
/// As [`open_directory`]. `EXDEV`: a link leads out. `ELOOP`: links lead in a circle.
pub fn find_inside(root: BorrowedFd<'_>, path: &Path, last: Links) -> io::Result<OwnedFd> {
    let last = match last {
        Links::Followed => OFlag::empty(),
        Links::Found => OFlag::O_NOFOLLOW,
    };
    open_inside(root, path.as_os_str(), OFlag::O_PATH | last)
}

/// Opens a folder beneath `root`, going by symbolic links that stay beneath it.
///
/// # Errors
/// As [`find_inside`].
pub fn open_directory_inside(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { OsStr::new(".") } else { path.as_os_str() };
    open_inside(root, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
}

/// What a symbolic link at the end of a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Links {
    /// What it leads to.
    Followed,
    /// Itself.
    Found,
}

/// Finds what has a name in `folder`, as [`find`] does, but not what is mounted there: openat2(2)
/// with `RESOLVE_NO_XDEV`, which knows bind mounts too.
///
/// # Errors
/// As [`open_directory`]. `EXDEV`: something is mounted there.
pub fn find_unmounted(folder: BorrowedFd<'_>, name: &Path) -> io::Result<OwnedFd> {
    open_unmounted(folder, name.as_os_str(), OFlag::O_PATH | OFlag::O_NOFOLLOW)
}

/// Finds the directory that has a name in `folder`, as [`find_unmounted`] does.
///
/// # Errors
/// As [`find_unmounted`]. `ENOTDIR`: it is no directory.
pub fn find_unmounted_directory(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    open_unmounted(folder, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY)
}

/// Opens a regular file that was found, for reading: the inode, whoever has its name by now.
///
/// # Errors
/// `EACCES`, `EMFILE` as open(2).
pub fn open_found(found: BorrowedFd<'_>) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

fn open(root: BorrowedFd<'_>, path: &OsStr, flags: OFlag) -> io::Result<OwnedFd> {
    open_with(root, path, flags, Mode::empty())
}

fn open_with(root: BorrowedFd<'_>, path: &OsStr, flags: OFlag, mode: Mode) -> io::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode).resolve(BENEATH);
    Ok(openat2(root, path, how)?)
}

fn open_inside(root: BorrowedFd<'_>, path: &OsStr, flags: OFlag) -> io::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    Ok(openat2(root, path, how)?)
}

fn open_unmounted(folder: BorrowedFd<'_>, name: &OsStr, flags: OFlag) -> io::Result<OwnedFd> {
    let resolve = BENEATH | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    Ok(openat2(folder, name, how)?)
}

const BENEATH: ResolveFlag = ResolveFlag::RESOLVE_BENEATH.union(ResolveFlag::RESOLVE_NO_SYMLINKS);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use nix::errno::Errno;

    use super::*;

    #[test]
    fn links_and_ways_out_are_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        symlink("/etc", root.path().join("link")).unwrap();
        symlink("a", root.path().join("inside")).unwrap();
        let open = File::open(root.path()).unwrap();
        open_directory(open.as_fd(), Path::new("a/b")).unwrap();
        open_directory(open.as_fd(), Path::new("")).unwrap();
        for (path, errno) in [
            ("link", Errno::ELOOP),
            ("inside/b", Errno::ELOOP),
            ("a/../..", Errno::EXDEV),
            ("/etc", Errno::EXDEV),
            ("missing", Errno::ENOENT),
        ] {
            let error = open_directory(open.as_fd(), Path::new(path)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno as i32), "{path}");
        }
    }
}
