//! Putting files into a volume: beneath its folder, under a temporary name until they are whole.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{OFlag, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::VolumeError;
use super::record::{Kind, Note, Record};
use crate::sys::open_beneath::{create_file, open_directory};

/// The folder of a volume that files are put into.
#[derive(Debug)]
pub(crate) struct Place {
    root: OwnedFd,
    /// For messages.
    path: PathBuf,
    record: Record,
    /// Folders that files were put into last: the next one is likely to be for one of them.
    open: Mutex<HashMap<PathBuf, Arc<OwnedFd>>>,
}

impl Place {
    /// Opens the folder of a volume. A link that the path itself has is followed: the job names
    /// it. Unfinished files are noted in the `record`.
    ///
    /// # Errors
    /// [`VolumeError::OpenPlace`].
    pub(crate) fn open(path: &Path, record: Record) -> Result<Self, VolumeError> {
        let failed = |source| VolumeError::OpenPlace { folder: path.to_owned(), source };
        let root = open_root(path).map_err(failed)?;
        Ok(Self { root, path: path.to_owned(), record, open: Mutex::default() })
    }

    /// Makes the folder `inside` and those above it, open to everybody as Girder Worker's are.
    ///
    /// # Errors
    /// [`VolumeError::MakeFolder`]; [`VolumeError::OpenPlace`]: something else has the name, or a
    /// link would lead elsewhere.
    pub(crate) fn folder(&self, inside: &Path) -> Result<Arc<OwnedFd>, VolumeError> {
        let open = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = open().get(inside) {
            return Ok(Arc::clone(folder));
        }
        let made = Arc::new(self.make_folder(inside)?);
        let mut open = open();
        if open.len() >= OPEN {
            open.clear();
        }
        open.insert(inside.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    fn make_folder(&self, inside: &Path) -> Result<OwnedFd, VolumeError> {
        let mut path = self.path.clone();
        let unopened =
            |folder: &Path, source| VolumeError::OpenPlace { folder: folder.to_owned(), source };
        let unmade =
            |folder: &Path, source| VolumeError::MakeFolder { folder: folder.to_owned(), source };
        let mut folder = self.root.try_clone().map_err(|error| unopened(&path, error))?;
        for name in inside.components() {
            let name = Path::new(name.as_os_str());
            path.push(name);
            let is_new = match mkdirat(&folder, name, Mode::from_bits_truncate(0o777)) {
                Ok(()) => true,
                Err(Errno::EEXIST) => false,
                Err(errno) => return Err(unmade(&path, errno.into())),
            };
            folder =
                open_directory(folder.as_fd(), name).map_err(|error| unopened(&path, error))?;
            if is_new {
                // Not by mkdir's mode, which the umask cuts down.
                let everybody = Permissions::from_mode(FOLDER_MODE);
                let made = File::from(folder.try_clone().map_err(|error| unopened(&path, error))?);
                made.set_permissions(everybody).map_err(|error| unmade(&path, error))?;
            }
        }
        Ok(folder)
    }

    /// Makes a file that will be called `inside`, in folders that are made too. `mark` is a name
    /// that nothing else in the volume has.
    ///
    /// # Errors
    /// Those of [`folder`](Self::folder), [`VolumeError::Record`], and [`VolumeError::MakeFile`].
    pub(crate) fn create(&self, inside: &Path, mark: &str) -> Result<Placed, VolumeError> {
        let path = self.path.join(inside);
        let made = |source| VolumeError::MakeFile { path: path.clone(), source };
        let name = inside.file_name().ok_or_else(|| made(io::ErrorKind::InvalidInput.into()))?;
        let folder = self.folder(inside.parent().unwrap_or_else(|| Path::new("")))?;
        let temporary = OsString::from(format!(".gantline-{mark}"));
        let temporary_path = inside.with_file_name(&temporary);
        let note = self.record.intends_path(Kind::File, &self.root, &self.path, &temporary_path)?;
        let file = match create_file(folder.as_fd(), Path::new(&temporary)) {
            Ok(file) => file,
            Err(error) => {
                note.gone();
                return Err(made(error));
            }
        };
        note.made(&file);
        let name = name.to_owned();
        let unfinished = UnfinishedFile { folder, temporary, name, path, note: Some(note) };
        Ok(Placed { file, unfinished })
    }
}

/// Opens the folder of a volume.
pub(super) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY.bits();
    File::options().read(true).custom_flags(flags).open(path).map(OwnedFd::from)
}

/// A file that was made, and its name to be.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Open for writing and reading.
    pub(crate) file: File,
    pub(crate) unfinished: UnfinishedFile,
}

/// A file under its temporary name. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct UnfinishedFile {
    /// Held, so that nobody can put another in its place.
    folder: Arc<OwnedFd>,
    temporary: OsString,
    name: OsString,
    path: PathBuf,
    /// Until it has its own name.
    note: Option<Note>,
}

impl UnfinishedFile {
    /// Gives the file its own name, in place of a file that had it, and its permissions.
    ///
    /// # Errors
    /// [`VolumeError::KeepFile`]; the temporary file is gone then.
    pub(crate) fn keep(mut self, file: &File) -> Result<(), VolumeError> {
        let failed = |source| VolumeError::KeepFile { path: self.path.clone(), source };
        file.set_permissions(Permissions::from_mode(FILE_MODE)).map_err(failed)?;
        renameat(&self.folder, &*self.temporary, &self.folder, &*self.name)
            .map_err(|errno| failed(errno.into()))?;
        if let Some(note) = self.note.take() {
            note.gone();
        }
        Ok(())
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        let Some(note) = self.note.take() else { return };
        match unlinkat(&self.folder, &*self.temporary, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => note.gone(),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "an unfinished file stays");
            }
        }
    }
}

/// Folders that are held open: of a large tree, those that are being filled.
const OPEN: usize = 64;

/// As Girder Worker sets them: whoever the image runs as can read, and can add to folders.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o777;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_file_appears_whole_with_everybodys_permissions() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::open(root.path(), Record::none()).unwrap();
        let mut placed = place.create(Path::new("a/b/c.txt"), "1").unwrap();
        placed.file.write_all(b"data").unwrap();
        let path = root.path().join("a/b/c.txt");
        assert!(!path.exists());
        placed.unfinished.keep(&placed.file).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"data");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        for folder in ["a", "a/b"] {
            let mode = fs::metadata(root.path().join(folder)).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o777, "{folder}");
        }
        assert_eq!(fs::read_dir(root.path().join("a/b")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_kept_goes() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::open(root.path(), Record::none()).unwrap();
        drop(place.create(Path::new("c.txt"), "1").unwrap());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn links_lead_no_file_out_of_its_volume() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("sub")).unwrap();
        let place = Place::open(root.path(), Record::none()).unwrap();
        let error = place.create(Path::new("sub/c.txt"), "1").unwrap_err();
        assert!(matches!(error, VolumeError::OpenPlace { .. }), "{error:?}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        // A link that has the file's own name is replaced, not followed.
        let target = outside.path().join("kept");
        fs::write(&target, "old").unwrap();
        symlink(&target, root.path().join("c.txt")).unwrap();
        let placed = place.create(Path::new("c.txt"), "1").unwrap();
        placed.unfinished.keep(&placed.file).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn a_volume_that_is_not_there_is_named() {
        let error = Place::open(Path::new("/no/such"), Record::none()).unwrap_err();
        assert!(error.to_string().contains("/no/such"), "{error}");
    }
    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let too_long = "x".repeat(256);
        let error = Place::open(root.path(), Record::none())
            .unwrap()
            .folder(Path::new(&too_long))
            .unwrap_err();
        assert!(matches!(error, VolumeError::MakeFolder { .. }), "{error:?}");
    }

    #[test]
    fn an_error_names_the_step_and_what_it_was_done_with() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::open(root.path(), Record::none()).unwrap();
        let path = |inside: &str| root.path().join(inside).display().to_string();
        fs::write(root.path().join("file"), "x").unwrap();
        // Not the folder that was to be below it.
        let error = place.folder(Path::new("file/a/b")).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open the folder {}", path("file")));
        fs::create_dir_all(root.path().join("taken/by")).unwrap();
        let placed = place.create(Path::new("taken/by"), "1").unwrap();
        let error = placed.unfinished.keep(&placed.file).unwrap_err();
        let told = format!("cannot put the file {} into its place", path("taken/by"));
        assert_eq!(error.to_string(), told);
        assert_eq!(fs::read_dir(root.path().join("taken")).unwrap().count(), 1);
        let error = place
            .create(Path::new(&"x".repeat(256)), "1")
            .map(|placed| placed.unfinished.keep(&placed.file).unwrap_err());
        assert!(matches!(error, Ok(VolumeError::KeepFile { .. })), "{error:?}");
    }
}
