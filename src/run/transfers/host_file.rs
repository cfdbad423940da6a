//! A file of the host that a transfer writes (`HostFile`).
//!
//! It is written under a temporary name in the same folder, and takes its own when it is whole: who
//! finds the file finds all of it. What is no regular file (`/dev/null`, a FIFO, a terminal) is
//! written as it is.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use thiserror::Error;
use uuid::Uuid;

use crate::volume::{Kind, Note, Record, VolumeError};

/// A target that was opened.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A new file under a temporary name.
    Regular(File, Unfinished),
    /// Something that is written in place.
    Special(OwnedFd),
}

/// Opens a target. Its temporary name is nobody else's.
///
/// Opening a FIFO waits for its reader: call it where waiting does no harm.
///
/// # Errors
/// [`HostFileError::Open`]: the folder is missing or may not be written, the target is a folder.
/// [`HostFileError::Record`].
pub(crate) fn open(path: &Path, record: &Record) -> Result<Opened, HostFileError> {
    let failed = |source| HostFileError::Open { path: path.to_owned(), source };
    let found = match fs::metadata(path) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let Some(found) = found else { return create(path.to_owned(), record, failed) };
    if found.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if found.is_file() {
        // The file that a link leads to is replaced, not the link.
        return create(fs::canonicalize(path).map_err(failed)?, record, failed);
    }
    let flags = (OFlag::O_CLOEXEC | OFlag::O_NOCTTY).bits();
    let special = OpenOptions::new().write(true).custom_flags(flags).open(path).map_err(failed)?;
    Ok(Opened::Special(special.into()))
}

fn create(
    target: PathBuf,
    record: &Record,
    failed: impl Fn(io::Error) -> HostFileError,
) -> Result<Opened, HostFileError> {
    let Some(name) = target.file_name() else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(MARK);
    temporary.push(Uuid::new_v4().simple().to_string());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let directory = File::open(folder).map_err(&failed)?;
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    // Everybody may read it, but for what the umask takes away: as any new file.
    let note = record.intends_path(Kind::File, &directory, folder, Path::new(&temporary))?;
    let file = match openat(&directory, &*temporary, flags, Mode::from_bits_truncate(0o666)) {
        Ok(file) => file,
        Err(errno) => {
            note.gone();
            return Err(failed(errno.into()));
        }
    };
    note.made(&file);
    let directory = directory.into();
    let unfinished = Unfinished { directory, temporary, target, note: Some(note) };
    Ok(Opened::Regular(file.into(), unfinished))
}

const MARK: &str = ".gantline-";

/// A file under its temporary name. Dropping it removes it.
///
/// The folder is held open: a container that has it mounted may put another in its place, and must
/// not have us rename or remove anything there.
#[derive(Debug)]
pub(crate) struct Unfinished {
    directory: OwnedFd,
    temporary: OsString,
    target: PathBuf,
    /// Until it has its own name, or is gone.
    note: Option<Note>,
}

impl Unfinished {
    /// Where it is now.
    pub(crate) fn path(&self) -> PathBuf {
        self.target.with_file_name(&self.temporary)
    }

    /// Gives the file its own name, in place of what had it.
    ///
    /// # Errors
    /// [`HostFileError::Rename`]; the temporary file is gone then.
    pub(crate) fn keep(mut self) -> Result<(), HostFileError> {
        let name = self.target.file_name().unwrap_or_default();
        let renamed = renameat(&self.directory, &*self.temporary, &self.directory, name);
        renamed.map_err(|errno| HostFileError::Rename {
            path: self.target.clone(),
            source: errno.into(),
        })?;
        if let Some(note) = self.note.take() {
            note.gone();
        }
        Ok(())
    }

    /// Removes the file: it is not whole.
    ///
    /// # Errors
    /// [`HostFileError::Remove`].
    pub(crate) fn remove(mut self) -> Result<(), HostFileError> {
        self.take_away()
            .map_err(|errno| HostFileError::Remove { path: self.path(), source: errno.into() })
    }

    fn take_away(&mut self) -> nix::Result<()> {
        let Some(note) = self.note.take() else { return Ok(()) };
        match unlinkat(&self.directory, &*self.temporary, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {
                note.gone();
                Ok(())
            }
            failed => failed,
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = self.take_away() {
            tracing::warn!(path = %self.path().display(), %error, "an unfinished file stays");
        }
    }
}

/// A `HostFile` cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostFileError {
    /// It cannot be opened.
    #[error("cannot open {} for writing{}", path.display(), folder(source))]
    Open {
        /// The path that the job gives.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its temporary name cannot be written down.
    #[error(transparent)]
    Record(#[from] VolumeError),
    /// It is whole, and cannot take its name.
    #[error("cannot give the finished file its name {}", path.display())]
    Rename {
        /// The name that it was to have.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is not whole, and stays.
    #[error("cannot remove the unfinished file {}", path.display())]
    Remove {
        /// Its temporary name.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Where a file is made, nothing else can be missing.
fn folder(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => " (its folder must be there)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn regular(path: &Path) -> (File, Unfinished) {
        match open(path, &Record::none()).unwrap() {
            Opened::Regular(file, unfinished) => (file, unfinished),
            Opened::Special(_) => panic!("{} is special", path.display()),
        }
    }

    #[test]
    fn a_file_appears_under_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        let (mut file, unfinished) = regular(&path);
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        unfinished.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_what_is_told() {
        let error = open(Path::new("/no/such/folder/x"), &Record::none()).err().unwrap();
        let words = "cannot open /no/such/folder/x for writing (its folder must be there)";
        assert_eq!(error.to_string(), words);
    }

    #[test]
    fn a_file_that_is_not_whole_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        regular(&path).1.remove().unwrap();
        drop(regular(&path));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_behind_a_link_is_replaced_and_not_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        symlink("real", &link).unwrap();
        let (mut file, unfinished) = regular(&link);
        file.write_all(b"new").unwrap();
        unfinished.keep().unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_folder_that_was_put_in_the_place_of_ours_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let (ours, theirs) = (root.path().join("ours"), root.path().join("theirs"));
        fs::create_dir(&ours).unwrap();
        fs::create_dir(&theirs).unwrap();
        let (mut file, unfinished) = regular(&ours.join("out"));
        file.write_all(b"x").unwrap();
        fs::rename(&ours, root.path().join("moved")).unwrap();
        symlink(&theirs, &ours).unwrap();
        unfinished.keep().unwrap();
        assert_eq!(fs::read(root.path().join("moved/out")).unwrap(), b"x");
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_regular_file_is_written_in_place() {
        assert!(matches!(
            open(Path::new("/dev/null"), &Record::none()).unwrap(),
            Opened::Special(_)
        ));
    }

    #[test]
    fn a_target_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("no/such")] {
            let error = open(&path, &Record::none()).unwrap_err();
            assert!(matches!(error, HostFileError::Open { path: named, .. } if named == path));
        }
    }
}
