//! Where records lie: a folder for each user, in a folder that outlives a reboot.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::geteuid;

use super::Record;
use super::dead::DeadRecord;

/// The folders in which users have their folders of records: `/var/tmp`, and the folder of
/// temporary things where that cannot be used.
#[derive(Debug, Clone)]
pub(crate) struct RecordFolders(Vec<PathBuf>);

impl RecordFolders {
    /// The usual ones.
    pub(crate) fn usual(temporary_folder: &Path) -> Self {
        Self::usual_or(Path::new("/var/tmp"), temporary_folder)
    }

    pub(super) fn usual_or(usual: &Path, temporary_folder: &Path) -> Self {
        Self(vec![usual.to_owned(), temporary_folder.to_owned()])
    }

    /// This one alone.
    pub(crate) fn only(folder: &Path) -> Self {
        Self(vec![folder.to_owned()])
    }

    /// Begins the record of a run, in the first of the folders that takes one; one that nobody reads, and that says why
    /// not the last of them, where there can be none.
    pub(crate) fn begin(&self, run: &str) -> Record {
        let (mut folder, mut failed) = (Path::new(""), io::ErrorKind::NotFound.into());
        for (nth, parent) in self.0.iter().enumerate() {
            match begin_in(parent, nth > 0, run) {
                Ok(record) => return record,
                Err(error) => (folder, failed) = (parent, error),
            }
        }
        Record::unwritten(folder, failed)
    }

    /// This user's folders that there are.
    pub(crate) fn of_this_user(&self) -> Vec<RecordFolder> {
        let folders = self.0.iter().filter_map(|parent| {
            RecordFolder::open(&parent.join(name_of(geteuid().as_raw())), geteuid().as_raw()).ok()
        });
        folders.collect()
    }

    /// Everybody's, and those that could not be opened.
    pub(crate) fn of_everybody(&self) -> (Vec<RecordFolder>, Vec<Unread>) {
        let (mut found, mut shut) = (Vec::new(), Vec::new());
        for parent in &self.0 {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let uid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
                let Some(uid) = uid.and_then(|uid| uid.parse().ok()) else { continue };
                match RecordFolder::open(&entry.path(), uid) {
                    Ok(folder) => found.push(folder),
                    Err(source) => shut.push(Unread { path: entry.path(), source }),
                }
            }
        }
        (found, shut)
    }
}

fn begin_in(parent: &Path, is_passing: bool, run: &str) -> io::Result<Record> {
    tried(|| {
        let folder = RecordFolder::open_or_make(parent)?;
        Record::begin(&RecordFolder { is_passing, ..folder }, run)
    })
}

/// A folder of records that belongs to a user, and that nobody else may enter.
#[derive(Debug)]
pub(crate) struct RecordFolder {
    path: PathBuf,
    directory: OwnedFd,
    owner: u32,
    /// It goes with its last record: among temporary things it would be in the way.
    is_passing: bool,
}

impl RecordFolder {
    fn open_or_make(parent: &Path) -> io::Result<Self> {
        let uid = geteuid().as_raw();
        let path = parent.join(name_of(uid));
        match mkdirat(AT_FDCWD, &path, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => Self::open(&path, uid),
            Err(errno) => Err(errno.into()),
        }
    }

    fn open(path: &Path, uid: u32) -> io::Result<Self> {
        let directory = openat(AT_FDCWD, path, DIRECTORY, Mode::empty())?;
        let found = fstat(&directory)?;
        // Who may write here decides what is removed.
        if found.st_uid != uid || found.st_mode & 0o022 != 0 {
            return Err(Errno::EPERM.into());
        }
        Ok(Self { path: path.to_owned(), directory, owner: uid, is_passing: false })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes with its last record.
    pub(super) fn is_passing(&self) -> bool {
        self.is_passing
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Makes a record's file, and locks it.
    pub(super) fn make(&self, name: &str) -> io::Result<File> {
        loop {
            let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_APPEND;
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            let file: File =
                openat(&self.directory, name, flags | ONE_FILE, mode).map(File::from)?;
            // Whoever prunes may look at it between the two calls, and removes an empty one.
            file.lock()?;
            if fstat(&file)?.st_nlink > 0 {
                return Ok(file);
            }
        }
    }

    /// The records of processes that are gone, one after the other. Each is locked while it is held, and no longer:
    /// others look through the folder at the same time.
    ///
    /// # Errors
    /// The folder cannot be read, or one of its records.
    pub(crate) fn dead(
        &self,
    ) -> io::Result<impl Iterator<Item = Result<DeadRecord, Unread>> + use<'_>> {
        let entries = fs::read_dir(format!("/proc/self/fd/{}", self.directory.as_raw_fd()))?;
        Ok(entries.filter_map(|entry| {
            let unread = |path, source| Some(Err(Unread { path, source }));
            match entry.map(|entry| entry.file_name()) {
                Ok(name) => match self.read(Path::new(&name)) {
                    Ok(record) => record.map(Ok),
                    Err(source) => unread(self.path.join(name), source),
                },
                Err(source) => unread(self.path.clone(), source),
            }
        }))
    }

    /// A record, unless its process lives.
    fn read(&self, name: &Path) -> io::Result<Option<DeadRecord>> {
        let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_NONBLOCK;
        let file = match openat(&self.directory, name, flags | ONE_FILE, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(None),
            file => File::from(file?),
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        let found = fstat(&file)?;
        if found.st_nlink == 0 {
            return Ok(None);
        }
        if found.st_uid != self.owner {
            return Err(Errno::EPERM.into());
        }
        let place = (self.directory.try_clone()?, self.path.join(name));
        DeadRecord::read(file, place, self.owner).map(Some)
    }
}

/// Begins a record again where another run has taken the folder away with its own.
fn tried<T>(mut begin: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for _ in 0..MOST_TRIES {
        match begin() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => failed = error,
            begun => return begun,
        }
    }
    Err(failed)
}

/// How often a folder may be taken away while a record is begun.
const MOST_TRIES: usize = 16;

/// A record, or a folder of them, that cannot be read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

/// What a user's folder is called.
fn name_of(uid: u32) -> String {
    format!("{PREFIX}{uid}")
}

const PREFIX: &str = "gantline-";

const ONE_FILE: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_CLOEXEC);

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(ONE_FILE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_taken_away_is_made_again_so_often_and_no_more() {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        // How often it was begun, and what came of it.
        let begun = |outcome: &dyn Fn(usize) -> io::Result<usize>| {
            let mut count = 0;
            let begun = tried(|| {
                count += 1;
                outcome(count)
            });
            (count, begun.map_err(|error| error.kind()))
        };
        let at_last = |nth| if nth < MOST_TRIES { Err(gone()) } else { Ok(nth) };
        assert_eq!(begun(&at_last), (MOST_TRIES, Ok(MOST_TRIES)));
        let never = |_| Err(gone());
        assert_eq!(begun(&never), (MOST_TRIES, Err(io::ErrorKind::NotFound)));
        let refused = |_| Err(Errno::EACCES.into());
        assert_eq!(begun(&refused), (1, Err(io::ErrorKind::PermissionDenied)));
    }
}
