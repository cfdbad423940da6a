//! A FIFO in a folder of the host that a container sees too.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;

use super::record::{Kind, Note, Record};
use super::written::look;
use super::{RelativePath, VolumeError, Written};
use crate::sys::fifo::Fifo;
use crate::sys::open_beneath::open_directory;

/// A FIFO that was made for a run, and goes with it.
#[derive(Debug)]
pub(crate) struct HostFifo {
    fifo: Fifo,
    /// For messages: it is not looked up again.
    path: PathBuf,
    note: Note,
}

impl HostFifo {
    /// Makes the FIFO `name` in `root`. Folders in `name` must exist, and are opened beneath
    /// `root`: a link that leads out of it is not followed.
    ///
    /// # Errors
    /// [`VolumeError::OpenFolder`], [`VolumeError::MakeFifo`].
    pub(crate) fn create(
        root: &Path,
        name: &RelativePath,
        record: &Record,
    ) -> Result<Self, VolumeError> {
        Self::create_beside(&[], root, name, record)
    }

    /// The same; one that is in the same folder as one of the `others` shares its descriptor of the folder.
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    pub(crate) fn create_beside(
        others: &[Self],
        root: &Path,
        name: &RelativePath,
        record: &Record,
    ) -> Result<Self, VolumeError> {
        let (folder, file_name) = name.folder_and_name();
        let path = root.join(name.as_path());
        let open_folder = || -> io::Result<_> {
            let flags = OFlag::O_DIRECTORY.bits();
            let root = File::options().read(true).custom_flags(flags).open(root)?;
            let directory = match others.iter().rfind(|fifo| fifo.path.parent() == path.parent()) {
                Some(beside) => beside.fifo.directory(),
                None => {
                    let inside = folder.unwrap_or_else(|| Path::new(""));
                    Arc::new(open_directory(root.as_fd(), inside)?)
                }
            };
            Ok((directory, root))
        };
        let (directory, open_root) = open_folder().map_err(|source| VolumeError::OpenFolder {
            folder: folder.map_or_else(|| root.to_owned(), |folder| root.join(folder)),
            name: file_name.display().to_string(),
            source,
        })?;
        let note = record.intends_path(Kind::Fifo, &open_root, root, name.as_path());
        match Fifo::create_in(directory, file_name.as_os_str()) {
            Ok(fifo) => {
                note.made(fifo.inode());
                Ok(Self { fifo, path, note })
            }
            Err(source) => {
                note.gone();
                Err(VolumeError::MakeFifo { path, source })
            }
        }
    }

    /// The FIFO, for the pump.
    pub(crate) fn share(&self) -> Fifo {
        self.fifo.clone()
    }

    /// What has taken its name since, if anything has.
    ///
    /// # Errors
    /// [`VolumeError::Find`].
    pub(crate) fn replacement(&self) -> Result<Option<Written>, VolumeError> {
        let failed = |source| VolumeError::Find { path: self.path.clone(), source };
        if self.fifo.is_in_place().map_err(failed)? {
            return Ok(None);
        }
        let (folder, name) = self.fifo.place();
        look(folder, Path::new(name)).map_err(failed)
    }

    /// Removes it, unless something else has taken its name.
    ///
    /// # Errors
    /// [`VolumeError::RemoveFifo`].
    pub(crate) fn remove(self) -> Result<(), VolumeError> {
        let Self { fifo, path, note } = self;
        fifo.remove().map_err(|source| VolumeError::RemoveFifo { path, source })?;
        note.gone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    fn name(text: &str) -> RelativePath {
        RelativePath::new(text).unwrap()
    }

    #[test]
    fn a_fifo_is_made_and_removed_by_its_inode() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("sub")).unwrap();
        let fifo = HostFifo::create(root.path(), &name("sub/in"), &Record::none()).unwrap();
        let path = root.path().join("sub/in");
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
        fifo.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_took_the_place_of_a_fifo_stays() {
        let root = tempfile::tempdir().unwrap();
        let fifo = HostFifo::create(root.path(), &name("in"), &Record::none()).unwrap();
        let path = root.path().join("in");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a result").unwrap();
        fifo.remove().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a result");
    }

    #[test]
    fn a_link_does_not_lead_a_fifo_out_of_its_volume() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("sub")).unwrap();
        let error = HostFifo::create(root.path(), &name("sub/in"), &Record::none()).unwrap_err();
        assert!(matches!(error, VolumeError::OpenFolder { .. }));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_that_is_taken_is_told() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("in"), "").unwrap();
        let error = HostFifo::create(root.path(), &name("in"), &Record::none()).unwrap_err();
        assert!(matches!(error, VolumeError::MakeFifo { source, .. }
            if source.kind() == io::ErrorKind::AlreadyExists));
    }
}
