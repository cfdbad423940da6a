//! The folder: what is in it, by path and by id, and how it is opened.
//!
//! Everything is opened beneath the folder (openat2(2), `RESOLVE_BENEATH`): no symbolic link leads out of
//! it. The list of what there is is made anew when a listing begins, and when an id is asked for that is not in it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use super::error::DepotError;
use super::id::{Id, Kind};

/// A folder that is held open.
#[derive(Debug)]
pub(super) struct Tree {
    path: PathBuf,
    root: OwnedFd,
    index: Mutex<Arc<Index>>,
}

/// What was found in the folder when it was last looked through.
#[derive(Debug, Default)]
pub(super) struct Index {
    nodes: HashMap<Id, Node>,
    folders: BTreeMap<PathBuf, Contents>,
}

/// What an id stands for. The path is empty for the folder itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
}

/// The paths of what is in one folder.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
}

/// What is known of a file or folder, and by what a change is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    inode: (u64, u64),
}

impl Tree {
    /// Opens the folder and looks through it.
    pub(super) fn open(path: &Path) -> Result<Self, DepotError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open(path, flags, Mode::empty()).map_err(|errno| cannot_open(path, errno))?;
        let tree = Self { path: path.to_owned(), root, index: Mutex::default() };
        tree.look_again()?;
        Ok(tree)
    }

    /// What stands for the id; looks again when it is not known.
    pub(super) fn find(&self, id: Id) -> Result<Option<Node>, DepotError> {
        let known = self.index().nodes.get(&id).cloned();
        match known {
            Some(node) => Ok(Some(node)),
            None => Ok(self.look_again()?.nodes.get(&id).cloned()),
        }
    }

    /// Looks through the folder again.
    pub(super) fn look_again(&self) -> Result<Arc<Index>, DepotError> {
        let index = Arc::new(Index::of(&self.path, self.root.as_fd(), NODES)?);
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&index);
        Ok(index)
    }

    /// The status of a file or folder that is there.
    pub(super) fn status(&self, path: &Path) -> Option<Status> {
        let opened = open_beneath(self.root.as_fd(), path, OFlag::O_PATH).ok()?;
        Status::of(&opened.into()).ok()
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// When it is not there any more, is something else by now, or may not be read.
    pub(super) fn open_file(&self, path: &Path) -> io::Result<(File, Status)> {
        // Not held up by what may have become a FIFO.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = File::from(open_beneath(self.root.as_fd(), path, flags)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "not a regular file"));
        }
        let status = Status::of(&file)?;
        Ok((file, status))
    }

    /// What was there when it was looked through last.
    pub(super) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn cannot_open(path: &Path, errno: Errno) -> DepotError {
    let is_file = errno == Errno::ENOTDIR && path.is_file();
    match path.parent().filter(|_| is_file) {
        Some(folder) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            DepotError::File { path: path.to_owned(), folder: folder.to_owned() }
        }
        None => DepotError::Folder { path: path.to_owned(), source: errno.into() },
    }
}

impl Index {
    /// The files with their ids, in the order of their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (Id, &Path)> {
        let files = self.folders.values().flat_map(|contents| contents.files.iter());
        let mut files: Vec<_> = files.map(|path| (Id::of(Kind::File, path), &**path)).collect();
        files.sort_by_key(|(_, path)| *path);
        files.into_iter()
    }

    /// What is in a folder, if it is one.
    pub(super) fn contents(&self, folder: &Path) -> Option<&Contents> {
        self.folders.get(folder)
    }

    /// Looks through a folder. What may not be read is not there; the folder itself must be.
    fn of(path: &Path, root: BorrowedFd<'_>, most: usize) -> Result<Self, DepotError> {
        let mut index = Self::default();
        index.add(Kind::Collection, Path::new(""))?;
        index.add(Kind::Folder, Path::new(""))?;
        let mut unread = vec![PathBuf::new()];
        while let Some(folder) = unread.pop() {
            let entries = match entries(root, &folder) {
                Ok(entries) => entries,
                Err(source) if folder.as_os_str().is_empty() => {
                    return Err(DepotError::Folder { path: path.to_owned(), source });
                }
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "left out: cannot read the folder");
                    continue;
                }
            };
            for (entry, kind) in entries {
                index.add(kind, &entry)?;
                let contents = index.folders.entry(folder.clone()).or_default();
                if kind == Kind::Folder {
                    contents.folders.push(entry.clone());
                    unread.push(entry);
                } else {
                    contents.files.push(entry.clone());
                    index.add(Kind::Item, &entry)?;
                }
                if index.nodes.len() > most {
                    return Err(DepotError::TooMany { path: path.to_owned(), limit: most });
                }
            }
            let contents = index.folders.entry(folder).or_default();
            contents.folders.sort();
            contents.files.sort();
        }
        Ok(index)
    }

    fn add(&mut self, kind: Kind, path: &Path) -> Result<(), DepotError> {
        let id = Id::of(kind, path);
        match self.nodes.insert(id, Node { kind, path: path.to_owned() }) {
            None => Ok(()),
            Some(other) => Err(DepotError::Collision {
                id: id.to_string(),
                first: other.path,
                second: path.to_owned(),
            }),
        }
    }
}

impl Status {
    fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            inode: (found.dev(), found.ino()),
        })
    }

    /// Whether the file has still the content that it had when this was asked. (The time of a change to
    /// the inode would say too much: an open file keeps its content when another takes its name.)
    pub(super) fn is_of(&self, file: &File) -> bool {
        Self::of(file).is_ok_and(|now| now == *self)
    }

    /// A strong validator: it changes with every write that the file system's clock can tell apart.
    pub(super) fn etag(&self) -> String {
        let ((seconds, nanoseconds), (_, inode)) = (self.modified, self.inode);
        format!("\"{inode:x}-{:x}-{seconds:x}-{nanoseconds:x}\"", self.size)
    }
}

/// The regular files and the folders in a folder, with their paths from the root.
fn entries(root: BorrowedFd<'_>, folder: &Path) -> io::Result<Vec<(PathBuf, Kind)>> {
    let opened = open_beneath(root, folder, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let mut found = Vec::new();
    for entry in Dir::from_fd(opened)?.iter() {
        let entry = entry?;
        let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let path = folder.join(name);
        let kind = match entry.file_type() {
            Some(Type::File) => Some(Kind::File),
            Some(Type::Directory) => Some(Kind::Folder),
            // A link, or the file system does not say: links to folders could make a circle.
            Some(Type::Symlink) | None => kind_of(root, &path, OFlag::O_NOFOLLOW).or_else(|| {
                kind_of(root, &path, OFlag::empty()).filter(|kind| *kind == Kind::File)
            }),
            Some(_) => None,
        };
        found.extend(kind.map(|kind| (path, kind)));
    }
    Ok(found)
}

/// What a path leads to, if that is in the folder.
fn kind_of(root: BorrowedFd<'_>, path: &Path, follow: OFlag) -> Option<Kind> {
    let opened = File::from(open_beneath(root, path, OFlag::O_PATH | follow).ok()?);
    let found = opened.metadata().ok()?;
    if found.is_dir() { Some(Kind::Folder) } else { found.is_file().then_some(Kind::File) }
}

fn open_beneath(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(root, path, how)?)
}

/// Three a file: a few hundred bytes of memory each, and a second or two to look through.
const NODES: usize = 1_500_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_files_are_served_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        (0..3).for_each(|nth| std::fs::write(folder.path().join(nth.to_string()), "").unwrap());
        let root = OwnedFd::from(File::open(folder.path()).unwrap());
        // The collection and the folder; for each file, and its item, one.
        let most = 2 + 2 * 3;
        assert_eq!(Index::of(folder.path(), root.as_fd(), most).unwrap().nodes.len(), most);
        let error = Index::of(folder.path(), root.as_fd(), most - 1).unwrap_err();
        assert!(matches!(error, DepotError::TooMany { limit, .. } if limit == most - 1), "{error}");
    }
}
