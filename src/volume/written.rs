//! What a container has written: found beneath its volume, and by no link that leads out of it.
//!
//! Nothing is opened to see what it is: a FIFO would block, a device might wake.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::VolumeError;
use super::empty::empty;
use super::place::open_root;
use crate::sys::open_beneath::{
    Links, find, find_inside, open_directory, open_directory_inside, open_found,
};

/// Something in a volume.
#[derive(Debug)]
pub(crate) enum Written {
    File(WrittenFile),
    Folder(WrittenFolder),
    /// Anything else, by the word for it.
    Other(&'static str),
}

/// A regular file that was found.
#[derive(Debug)]
pub(crate) struct WrittenFile {
    /// Opened with `O_PATH`: this inode, whatever has its name by now.
    found: OwnedFd,
}

impl WrittenFile {
    /// Opens it for reading.
    ///
    /// # Errors
    /// As open(2).
    pub(crate) fn open(&self) -> io::Result<File> {
        open_found(self.found.as_fd())
    }

    /// Whether something else is at `inside` in the volume `root` by now.
    pub(crate) fn is_replaced_at(&self, root: &Path, inside: &str) -> bool {
        match find_written(root, inside) {
            Ok(Some(Written::File(now))) => id(&now.found).ok() != id(&self.found).ok(),
            Ok(Some(_)) => true,
            // There is nothing to be removed, or that says why it cannot be.
            Ok(None) | Err(_) => false,
        }
    }
}

fn id(found: &OwnedFd) -> nix::Result<(u64, u64)> {
    fstat(found).map(|found| (found.st_dev, found.st_ino))
}

/// A folder that was found.
#[derive(Debug)]
pub(crate) struct WrittenFolder {
    volume: Arc<OwnedFd>,
    /// Its path in the volume.
    inside: PathBuf,
    folder: OwnedFd,
    is_link: bool,
}

/// Which folder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FolderId(u64, u64);

impl WrittenFolder {
    /// The names in it, in order.
    ///
    /// # Errors
    /// As readdir(3).
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let again = nix::fcntl::openat(
            &self.folder,
            ".",
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        let mut names = Vec::new();
        for entry in Dir::from_fd(again)?.iter() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// What has a name in it; nothing if it has gone.
    ///
    /// # Errors
    /// As open(2).
    pub(crate) fn entry(&self, name: &OsStr) -> io::Result<Option<Written>> {
        look_inside(&self.volume, &self.inside.join(name))
    }

    /// Whether a symbolic link has led here: links may lead in circles.
    pub(crate) fn is_link(&self) -> bool {
        self.is_link
    }

    /// Which folder it is, by whatever way it was found.
    ///
    /// # Errors
    /// As fstat(2).
    pub(crate) fn id(&self) -> io::Result<FolderId> {
        let (device, inode) = id(&self.folder)?;
        Ok(FolderId(device, inode))
    }
}

/// What is at `inside` in the volume `root`; an empty path is the volume itself.
///
/// # Errors
/// [`VolumeError::Find`]: a component is a link that leads out, or may not be searched.
pub(crate) fn find_written(root: &Path, inside: &str) -> Result<Option<Written>, VolumeError> {
    let failed = |source| VolumeError::Find { path: root.join(inside), source };
    let volume = Arc::new(open_root(root).map_err(failed)?);
    let inside = plain(inside);
    if inside.as_os_str().is_empty() {
        let folder = volume.try_clone().map_err(failed)?;
        let folder = WrittenFolder { volume, inside, folder, is_link: false };
        return Ok(Some(Written::Folder(folder)));
    }
    look_inside(&volume, &inside).map_err(failed)
}

/// Removes what is at `inside`, and all that is in it; of the volume itself only the contents.
///
/// # Errors
/// [`VolumeError::Remove`].
pub(crate) fn remove_written(root: &Path, inside: &str) -> Result<(), VolumeError> {
    let path = root.join(inside);
    let failed = |source| VolumeError::Remove { path: path.clone(), source };
    let inside = plain(inside);
    let opened = open_root(root).map_err(failed)?;
    let sweep = |folder: BorrowedFd<'_>| {
        empty(folder, &path)
            .map_err(|remains| VolumeError::Remove { path: remains.path, source: remains.source })
    };
    let Some(name) = inside.file_name() else { return sweep(opened.as_fd()) };
    let parent = inside.parent().unwrap_or_else(|| Path::new(""));
    let parent = open_directory_inside(opened.as_fd(), parent).map_err(failed)?;
    match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR | Errno::EPERM) => {
            let folder = open_directory(parent.as_fd(), Path::new(name)).map_err(failed)?;
            sweep(folder.as_fd())?;
            let removed = unlinkat(&parent, name, UnlinkatFlags::RemoveDir);
            removed.map_err(|errno| failed(errno.into()))
        }
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Without `.` and doubled slashes.
fn plain(inside: &str) -> PathBuf {
    inside.split('/').filter(|part| !matches!(*part, "" | ".")).collect()
}

fn look_inside(volume: &Arc<OwnedFd>, path: &Path) -> io::Result<Option<Written>> {
    let found = match find_inside(volume.as_fd(), path, Links::Found) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_link = kind(&fstat(&found)?) == SFlag::S_IFLNK;
    let found = match is_link {
        false => found,
        true => match find_inside(volume.as_fd(), path, Links::Followed) {
            Ok(target) => target,
            Err(error) if leads_nowhere(&error) => return Ok(Some(Written::Other(A_LINK))),
            Err(error) => return Err(error),
        },
    };
    let folder = || {
        let folder = open_directory_inside(volume.as_fd(), path)?;
        let (volume, inside) = (Arc::clone(volume), path.to_owned());
        Ok(Written::Folder(WrittenFolder { volume, inside, folder, is_link }))
    };
    told(found, folder).map(Some)
}

/// A link out of the volume, one in a circle, and one to what is not there.
fn leads_nowhere(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EXDEV | Errno::ELOOP | Errno::ENOENT | Errno::ENOTDIR))
}

/// Folders inside each other that are looked into, each of which is held open.
pub(crate) const MAX_DEPTH: usize = 256;

const A_LINK: &str = "a symbolic link that leads to nothing in the volume";

/// What is at a path, and not what a link there leads to.
pub(super) fn look(folder: BorrowedFd<'_>, path: &Path) -> io::Result<Option<Written>> {
    let found = match find(folder, path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let opened = || {
        let (volume, inside) = (Arc::new(folder.try_clone_to_owned()?), path.to_owned());
        let folder = open_directory(folder, path)?;
        Ok(Written::Folder(WrittenFolder { volume, inside, folder, is_link: false }))
    };
    told(found, opened).map(Some)
}

/// What was found at a path beneath `volume`, and not what a link there leads to.
pub(super) fn told_of(found: OwnedFd, volume: &Arc<OwnedFd>, path: &Path) -> io::Result<Written> {
    let opened = || {
        let folder = open_directory_inside(volume.as_fd(), path)?;
        let (volume, inside) = (Arc::clone(volume), path.to_owned());
        Ok(Written::Folder(WrittenFolder { volume, inside, folder, is_link: false }))
    };
    told(found, opened)
}

fn told(found: OwnedFd, folder: impl FnOnce() -> io::Result<Written>) -> io::Result<Written> {
    Ok(match kind(&fstat(&found)?) {
        SFlag::S_IFREG => Written::File(WrittenFile { found }),
        SFlag::S_IFDIR => folder()?,
        SFlag::S_IFLNK => Written::Other("a symbolic link"),
        SFlag::S_IFIFO => Written::Other("a FIFO"),
        SFlag::S_IFSOCK => Written::Other("a socket"),
        _ => Written::Other("a device"),
    })
}

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use nix::unistd::mkfifo;

    use super::*;

    fn kind_of(root: &Path, inside: &str) -> &'static str {
        match find_written(root, inside).unwrap() {
            None => "nothing",
            Some(Written::File(_)) => "a file",
            Some(Written::Folder(_)) => "a folder",
            Some(Written::Other(other)) => other,
        }
    }

    #[test]
    fn what_there_is_is_told_without_opening_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("sub")).unwrap();
        fs::write(root.path().join("sub/file"), "data").unwrap();
        mkfifo(&root.path().join("fifo"), Mode::S_IRWXU).unwrap();
        for (name, target) in [
            ("link", "sub/file"),
            ("folder", "./sub/../sub"),
            ("out", "/etc/hostname"),
            ("circle", "circle"),
            ("nowhere", "not there"),
        ] {
            symlink(target, root.path().join(name)).unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
        for (inside, expected) in [
            ("", "a folder"),
            ("sub/", "a folder"),
            ("./sub//file", "a file"),
            ("fifo", "a FIFO"),
            ("link", "a file"),
            ("folder/file", "a file"),
            ("folder", "a folder"),
            ("out", A_LINK),
            ("circle", A_LINK),
            ("nowhere", A_LINK),
            ("socket", "a socket"),
            ("none", "nothing"),
        ] {
            assert_eq!(kind_of(root.path(), inside), expected, "{inside}");
        }
    }

    #[test]
    fn a_link_that_leads_out_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("sub")).unwrap();
        assert!(find_written(root.path(), "sub/secret").is_err());
        assert!(remove_written(root.path(), "sub/secret").is_err());
        assert!(outside.path().join("secret").exists());
    }

    #[test]
    fn a_file_that_was_found_stays_the_same_file() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "first").unwrap();
        let Some(Written::File(file)) = find_written(root.path(), "file").unwrap() else {
            panic!("no file")
        };
        fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        let mut text = String::new();
        file.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "first");
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/c"), "").unwrap();
        fs::write(root.path().join("d"), "").unwrap();
        fs::write(root.path().join("e"), "").unwrap();
        for inside in ["a/", "d", "not there"] {
            remove_written(root.path(), inside).unwrap();
        }
        let left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["e"]);
        remove_written(root.path(), "").unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
