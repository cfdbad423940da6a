//! Temporary directories that are mounted into a container.
//!
//! The mounted directory is open to everyone (mode 2777): images run as whom they like. It lies in
//! a directory of ours that lets nobody through but us (mode 0700). Its path is no secret: every
//! user of the host may read it in `/proc/<pid>/mountinfo`. The engine mounts what is below, and a
//! container needs no way through what is above its mount.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, mkdirat};
use uuid::Uuid;

use super::VolumeError;
use super::record::{Kind, Note, Record, remove_directory};
use crate::sys::open_beneath::open_directory;

/// A directory that exists for one run.
///
/// [`remove`](Self::remove) is the orderly end; dropping it removes it too, but cannot say what
/// stayed.
#[derive(Debug)]
pub(crate) struct TempDirectory {
    /// The folder that the outer one is in.
    parent: OwnedFd,
    /// The outer one.
    outer: PathBuf,
    /// The one that is mounted.
    inner: PathBuf,
    note: Option<Note>,
}

impl TempDirectory {
    /// Makes one in `parent`, which must exist.
    ///
    /// # Errors
    /// [`VolumeError::MakeDirectory`]; [`VolumeError::Record`].
    pub(crate) fn create(parent: &Path, record: &Record) -> Result<Self, VolumeError> {
        let failed = |source| VolumeError::MakeDirectory { folder: parent.to_owned(), source };
        let path = std::path::absolute(parent).map_err(failed)?;
        let flags = OFlag::O_DIRECTORY.bits();
        let parent: OwnedFd =
            File::options().read(true).custom_flags(flags).open(&path).map_err(failed)?.into();
        // What was made halfway has to go again, also where descriptors have run out.
        let spare = (0..SPARE).map(|_| parent.try_clone()).collect::<io::Result<Vec<_>>>();
        let spare = spare.map_err(failed)?;
        let name = format!("{PREFIX}{}", Uuid::new_v4().simple());
        let note = record.intends_path(Kind::Directory, &parent, &path, Path::new(&name))?;
        let outer = path.join(name);
        let inner = outer.join(Uuid::new_v4().simple().to_string());
        let mut made = Self { parent, outer, inner, note: None };
        match made.make(&note) {
            Ok(()) => made.note = Some(note),
            Err(error) => {
                drop(spare);
                let _ = remove_directory(made.parent.as_fd(), made.name(), &made.outer);
                note.gone();
                return Err(failed(error));
            }
        }
        Ok(made)
    }

    fn make(&self, note: &Note) -> io::Result<()> {
        mkdirat(&self.parent, self.name(), Mode::S_IRWXU)?;
        let outer = open_directory(self.parent.as_fd(), self.name())?;
        note.made(&outer);
        let inner = Path::new(self.inner.file_name().unwrap_or_default());
        mkdirat(&outer, inner, Mode::S_IRWXU)?;
        // Not by mkdir's mode, which the umask cuts down.
        let everybody = Permissions::from_mode(0o2777);
        File::from(open_directory(outer.as_fd(), inner)?).set_permissions(everybody)
    }

    /// The directory that is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.inner
    }

    /// Leaves it where it is, for who is told its path: it is not ours any more.
    pub(crate) fn keep(mut self) -> PathBuf {
        if let Some(note) = self.note.take() {
            note.gone();
        }
        std::mem::take(&mut self.inner)
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// [`VolumeError::Remove`], naming the first thing that stays. It can be tried again.
    pub(crate) fn remove(&mut self) -> Result<(), VolumeError> {
        self.take_away()
    }

    /// The directory that goes.
    pub(crate) fn outer(&self) -> &Path {
        &self.outer
    }

    fn name(&self) -> &Path {
        Path::new(self.outer.file_name().unwrap_or_default())
    }

    fn take_away(&mut self) -> Result<(), VolumeError> {
        if self.note.is_none() {
            return Ok(());
        }
        remove_directory(self.parent.as_fd(), self.name(), &self.outer)?;
        if let Some(note) = self.note.take() {
            note.gone();
        }
        Ok(())
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        if let Err(error) = self.take_away() {
            tracing::warn!(path = %self.outer.display(), ?error, "a temporary directory stays");
        }
    }
}

const PREFIX: &str = "gantline-";

/// Descriptors that removing it takes.
const SPARE: usize = 4;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_mounted_directory_is_open_to_everyone_and_not_sticky() {
        let parent = tempfile::tempdir().unwrap();
        let mut made = TempDirectory::create(parent.path(), &Record::none()).unwrap();
        assert_eq!(fs::metadata(made.path()).unwrap().mode() & 0o7777, 0o2777);
        assert_eq!(fs::metadata(&made.outer).unwrap().mode() & 0o7777, 0o700);
        fs::write(made.path().join("left"), "x").unwrap();
        made.remove().unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn dropping_it_removes_it() {
        let parent = tempfile::tempdir().unwrap();
        drop(TempDirectory::create(parent.path(), &Record::none()).unwrap());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_is_kept_stays() {
        let parent = tempfile::tempdir().unwrap();
        let made = TempDirectory::create(parent.path(), &Record::none()).unwrap();
        assert!(made.keep().is_dir());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = TempDirectory::create(Path::new("/no/such"), &Record::none());
        assert!(matches!(error, Err(VolumeError::MakeDirectory { folder, .. })
            if folder == Path::new("/no/such")));
    }
}
