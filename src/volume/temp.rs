//! Temporary directories that are mounted into a container.
//!
//! The mounted directory is open to everyone (mode 2777): images run as whom they like. It lies in
//! a directory of ours that lets nobody through but us (mode 0700). Its path is no secret: every
//! user of the host may read it in `/proc/<pid>/mountinfo`. The engine mounts what is below, and a
//! container needs no way through what is above its mount.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use uuid::Uuid;

use super::VolumeError;
use super::empty::empty;
use super::owner::Owner;

/// A directory that exists for one run.
///
/// [`remove`](Self::remove) is the orderly end; dropping it removes it too, but cannot say what
/// stayed.
#[derive(Debug)]
pub(crate) struct TempDirectory {
    /// The outer one.
    outer: PathBuf,
    /// The one that is mounted.
    inner: PathBuf,
    removed: bool,
}

impl TempDirectory {
    /// Makes one in `parent`, which must exist, named after the process that it belongs to.
    ///
    /// # Errors
    /// [`VolumeError::MakeDirectory`].
    pub(crate) fn create(parent: &Path, owner: &Owner) -> Result<Self, VolumeError> {
        let failed = |source| VolumeError::MakeDirectory { folder: parent.to_owned(), source };
        let (pid, since) = owner.to_parts();
        let name = format!("{PREFIX}{pid}-{since}-{}", Uuid::new_v4().simple());
        let parent = std::path::absolute(parent).map_err(failed)?;
        let outer = parent.join(name);
        DirBuilder::new().mode(0o700).create(&outer).map_err(failed)?;
        let inner = outer.join(Uuid::new_v4().simple().to_string());
        let made = Self { outer, inner, removed: false };
        DirBuilder::new().mode(0o700).create(&made.inner).map_err(failed)?;
        // Not by mkdir's mode, which the umask cuts down.
        fs::set_permissions(&made.inner, Permissions::from_mode(0o2777)).map_err(failed)?;
        Ok(made)
    }

    /// The directory that is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.inner
    }

    /// What is removed in the end.
    pub(crate) fn root(&self) -> &Path {
        &self.outer
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// [`VolumeError::Remove`], naming the first thing that stays.
    pub(crate) fn remove(mut self) -> Result<(), VolumeError> {
        self.removed = true;
        remove_tree(&self.outer)
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        if !self.removed
            && let Err(error) = remove_tree(&self.outer)
        {
            tracing::warn!(path = %self.outer.display(), ?error, "a temporary directory stays");
        }
    }
}

/// The temporary directories in `parent` whose process is gone.
///
/// # Errors
/// When `parent` cannot be read.
pub(crate) fn orphans(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && is_orphan(&entry.path()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether `path` is named like a temporary directory of ours, its process is gone, and we may
/// remove it.
pub(crate) fn is_orphan(path: &Path) -> bool {
    owner_of(path).is_some_and(|owner| owner.is_gone())
        && fs::symlink_metadata(path)
            .is_ok_and(|found| geteuid().is_root() || found.uid() == geteuid().as_raw())
}

/// Removes a directory with everything in it, without following a link.
///
/// # Errors
/// [`VolumeError::Remove`], naming the first thing that stays.
pub(crate) fn remove_tree(path: &Path) -> Result<(), VolumeError> {
    let failed = |path: PathBuf, source| VolumeError::Remove { path, source };
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    let directory = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(path.to_owned(), error)),
    };
    empty(directory.as_fd(), path).map_err(|remains| failed(remains.path, remains.source))?;
    fs::remove_dir(path).map_err(|error| failed(path.to_owned(), error))
}

const PREFIX: &str = "gantline-";

fn owner_of(path: &Path) -> Option<Owner> {
    let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (owner, unique) = name.rsplit_once('-')?;
    Uuid::try_parse(unique).ok()?;
    let (pid, since) = owner.split_once('-')?;
    Owner::from_parts(pid, since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounted_directory_is_open_to_everyone_and_not_sticky() {
        let parent = tempfile::tempdir().unwrap();
        let made = TempDirectory::create(parent.path(), &Owner::this_process()).unwrap();
        assert_eq!(fs::metadata(made.path()).unwrap().mode() & 0o7777, 0o2777);
        assert_eq!(fs::metadata(made.root()).unwrap().mode() & 0o7777, 0o700);
        fs::write(made.path().join("left"), "x").unwrap();
        made.remove().unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn dropping_it_removes_it() {
        let parent = tempfile::tempdir().unwrap();
        drop(TempDirectory::create(parent.path(), &Owner::this_process()).unwrap());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_directories_of_processes_that_are_gone_are_orphans() {
        let parent = tempfile::tempdir().unwrap();
        let live = TempDirectory::create(parent.path(), &Owner::this_process()).unwrap();
        let dead = TempDirectory::create(parent.path(), &Owner::gone()).unwrap();
        fs::create_dir(parent.path().join("gantline-1-1-mine")).unwrap();
        fs::create_dir(parent.path().join("gantline-notes")).unwrap();
        assert_eq!(orphans(parent.path()).unwrap(), [dead.root()]);
        drop(live);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = TempDirectory::create(Path::new("/no/such"), &Owner::this_process());
        assert!(matches!(error, Err(VolumeError::MakeDirectory { folder, .. })
            if folder == Path::new("/no/such")));
    }
}
