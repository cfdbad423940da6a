//! A file of the host that a transfer writes (`HostFile`).
//!
//! It is written under a temporary name in the same folder, and takes its own when it is whole: who
//! finds the file finds all of it. What is no regular file (`/dev/null`, a FIFO, a terminal) is
//! written as it is.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use thiserror::Error;

/// A target that was opened.
#[derive(Debug)]
pub(super) enum Opened {
    /// A new file under a temporary name.
    Regular(File, Unfinished),
    /// Something that is written in place.
    Special(OwnedFd),
}

/// Opens a target. `unique` goes into the temporary name.
///
/// Opening a FIFO waits for its reader: call it where waiting does no harm.
///
/// # Errors
/// [`HostFileError::Open`]: the folder is missing or may not be written, the target is a folder.
pub(super) fn open(path: &Path, unique: &str) -> Result<Opened, HostFileError> {
    let failed = |source| HostFileError::Open { path: path.to_owned(), source };
    let found = match fs::metadata(path) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let Some(found) = found else {
        return create(path.to_owned(), unique).map_err(failed);
    };
    if found.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if found.is_file() {
        // The file that a link leads to is replaced, not the link.
        return fs::canonicalize(path).and_then(|target| create(target, unique)).map_err(failed);
    }
    let flags = (OFlag::O_CLOEXEC | OFlag::O_NOCTTY).bits();
    let special = OpenOptions::new().write(true).custom_flags(flags).open(path).map_err(failed)?;
    Ok(Opened::Special(special.into()))
}

fn create(target: PathBuf, unique: &str) -> io::Result<Opened> {
    let Some(name) = target.file_name() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".gantline-{unique}"));
    let temporary = target.with_file_name(temporary);
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    Ok(Opened::Regular(file, Unfinished { temporary, target, settled: false }))
}

/// A file under its temporary name. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Unfinished {
    temporary: PathBuf,
    target: PathBuf,
    settled: bool,
}

impl Unfinished {
    /// Gives the file its own name, in place of what had it.
    ///
    /// # Errors
    /// [`HostFileError::Rename`]; the temporary file is gone then.
    pub(super) fn keep(mut self) -> Result<(), HostFileError> {
        fs::rename(&self.temporary, &self.target)
            .map_err(|source| HostFileError::Rename { path: self.target.clone(), source })?;
        self.settled = true;
        Ok(())
    }

    /// Removes the file: it is not whole.
    ///
    /// # Errors
    /// [`HostFileError::Remove`].
    pub(super) fn remove(mut self) -> Result<(), HostFileError> {
        self.settled = true;
        fs::remove_file(&self.temporary)
            .map_err(|source| HostFileError::Remove { path: self.temporary.clone(), source })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.settled
            && let Err(error) = fs::remove_file(&self.temporary)
        {
            tracing::warn!(path = %self.temporary.display(), %error, "an unfinished file stays");
        }
    }
}

/// A `HostFile` cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostFileError {
    /// It cannot be opened.
    #[error("cannot open {} for writing", path.display())]
    Open {
        /// The path that the job gives.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn regular(path: &Path) -> (File, Unfinished) {
        match open(path, "x").unwrap() {
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
    fn what_is_no_regular_file_is_written_in_place() {
        assert!(matches!(open(Path::new("/dev/null"), "x").unwrap(), Opened::Special(_)));
    }

    #[test]
    fn a_target_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("no/such")] {
            let error = open(&path, "x").unwrap_err();
            assert!(matches!(error, HostFileError::Open { path: named, .. } if named == path));
        }
    }
}
