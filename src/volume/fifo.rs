//! A FIFO in a folder of the host that a container sees too.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;

use super::place::open_root;
use super::record::{Kind, Note, Record};
use super::written::{look, told_of};
use super::{RelativePath, VolumeError, Written};
use crate::sys::fifo::Fifo;
use crate::sys::open_beneath::{Links, find_inside, open_directory};

/// A FIFO that was made for a run, and goes with it.
#[derive(Debug)]
pub(crate) struct HostFifo {
    fifo: Fifo,
    /// For messages: it is not looked up again.
    path: PathBuf,
    seen: Seen,
    note: Note,
}

/// Where a container finds it: beneath a folder that it cannot replace, since that is mounted there.
#[derive(Debug)]
struct Seen {
    root: Arc<OwnedFd>,
    /// For messages, and to know it again.
    at: PathBuf,
    name: PathBuf,
}

impl HostFifo {
    /// Makes the FIFO `name` in `root`. Folders in `name` must exist, and are opened beneath
    /// `root`: a link that leads out of it is not followed.
    ///
    /// # Errors
    /// [`VolumeError::OpenFolder`], [`VolumeError::Record`], [`VolumeError::MakeFifo`].
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
            let beneath = others.iter().rfind(|fifo| fifo.seen.at == root);
            let open = match beneath {
                Some(beneath) => Arc::clone(&beneath.seen.root),
                None => Arc::new(open_root(root)?),
            };
            let beside = others.iter().rfind(|fifo| fifo.path.parent() == path.parent());
            let directory = match (beside, folder) {
                (Some(beside), _) => beside.fifo.directory(),
                (None, Some(inside)) => Arc::new(open_directory(open.as_fd(), inside)?),
                (None, None) => Arc::clone(&open),
            };
            Ok((directory, open))
        };
        let (directory, open) = open_folder().map_err(|source| VolumeError::OpenFolder {
            folder: folder.map_or_else(|| root.to_owned(), |folder| root.join(folder)),
            name: file_name.display().to_string(),
            source,
        })?;
        let note = record.intends_path(Kind::Fifo, &open, root, name.as_path())?;
        match Fifo::create_in(directory, file_name.as_os_str()) {
            Ok(fifo) => {
                note.made(fifo.inode());
                let (at, name) = (root.to_owned(), name.as_path().to_owned());
                Ok(Self { fifo, path, seen: Seen { root: open, at, name }, note })
            }
            Err(source) => {
                note.gone();
                Err(VolumeError::MakeFifo { path, source })
            }
        }
    }

    /// Says which folder is mounted in the container, if that is not the one that it was made in, but one above: a
    /// program may replace what lies between the two.
    pub(crate) fn seen_beneath(mut self, mounted: &Path) -> Self {
        let seen = || {
            let name = self.path.strip_prefix(mounted).ok()?.to_owned();
            let seen = Seen { root: Arc::new(open_root(mounted).ok()?), at: mounted.into(), name };
            // Links of the host's may have led to it, and lead nowhere for us.
            let found = seen.find().ok()?;
            self.fifo.is(&found).ok()?.then_some(seen)
        };
        if mounted != self.seen.at
            && let Some(seen) = seen()
        {
            self.seen = seen;
        }
        self
    }

    /// The FIFO, for the pump.
    pub(crate) fn share(&self) -> Fifo {
        self.fifo.clone()
    }

    /// What has taken its name since, if anything has: in the folder that has its folder's name by now, and in the one
    /// that it was made in, wherever that is.
    ///
    /// # Errors
    /// [`VolumeError::Find`].
    pub(crate) fn replacement(&self) -> Result<Option<Written>, VolumeError> {
        let failed = |source| VolumeError::Find { path: self.path.clone(), source };
        match self.seen.find() {
            Ok(found) if self.fifo.is(&found).map_err(failed)? => return Ok(None),
            Ok(found) => {
                let written = told_of(found, &self.seen.root, &self.seen.name);
                return written.map(Some).map_err(failed);
            }
            // The program has moved its folder, or removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return in_place_of_its_folder(&error).map(Some).ok_or_else(|| failed(error));
            }
        }
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
        let Self { fifo, path, note, .. } = self;
        fifo.remove().map_err(|source| VolumeError::RemoveFifo { path, source })?;
        note.gone();
        Ok(())
    }
}

impl Seen {
    /// What has its name by now, by links that stay beneath the folder.
    fn find(&self) -> io::Result<OwnedFd> {
        find_inside(self.root.as_fd(), &self.name, Links::Found)
    }
}

/// What has its folder's name by now, if that is what keeps us from looking.
fn in_place_of_its_folder(error: &io::Error) -> Option<Written> {
    match error.raw_os_error().map(Errno::from_raw)? {
        Errno::EXDEV => Some(Written::Other("a link out of the volume, where its folder was")),
        Errno::ELOOP => Some(Written::Other("a link in a circle, where its folder was")),
        Errno::ENOTDIR => Some(Written::Other("no folder, where its folder was")),
        _ => None,
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

    fn replaced(fifo: &HostFifo) -> &'static str {
        match fifo.replacement().unwrap() {
            None => "nothing",
            Some(Written::File(_)) => "a file",
            Some(Written::Folder(_)) => "a folder",
            Some(Written::Other(other)) => other,
        }
    }

    #[test]
    fn what_took_the_place_of_a_fifo_with_its_folder_is_found_and_what_was_moved_is_not_lost() {
        let root = tempfile::tempdir().unwrap();
        let [sub, old] = ["sub", "old"].map(|name| root.path().join(name));
        fs::create_dir(&sub).unwrap();
        let none = Record::none();
        let by_name = HostFifo::create(root.path(), &name("sub/out"), &none).unwrap();
        let by_folder = HostFifo::create(&sub, &name("b"), &none).unwrap();
        let by_folder = by_folder.seen_beneath(root.path());
        let both = [&by_name, &by_folder];
        let all = || both.map(replaced);
        assert_eq!(all(), ["nothing"; 2]);
        // They can be written to where they are now, and by a link.
        fs::rename(&sub, &old).unwrap();
        assert_eq!(all(), ["nothing"; 2]);
        symlink("old", &sub).unwrap();
        assert_eq!(all(), ["nothing"; 2]);
        fs::remove_file(&sub).unwrap();
        fs::create_dir(&sub).unwrap();
        for file in ["out", "b"] {
            fs::write(sub.join(file), "result").unwrap();
        }
        assert_eq!(all(), ["a file"; 2]);
        fs::remove_file(sub.join("out")).unwrap();
        symlink("b", sub.join("out")).unwrap();
        assert_eq!(replaced(&by_name), "a symbolic link");
        for (wrong, words) in [
            ("a file", "no folder, where its folder was"),
            ("/etc", "a link out of the volume, where its folder was"),
            ("sub", "a link in a circle, where its folder was"),
        ] {
            fs::remove_dir_all(&sub).or_else(|_| fs::remove_file(&sub)).unwrap();
            match wrong {
                "a file" => fs::write(&sub, "result").unwrap(),
                target => symlink(target, &sub).unwrap(),
            }
            assert_eq!(all(), [words; 2]);
        }
        fs::remove_file(&sub).unwrap();
        // One that was replaced before its folder was moved.
        fs::remove_file(old.join("out")).unwrap();
        fs::write(old.join("out"), "result").unwrap();
        assert_eq!(all(), ["a file", "nothing"]);
        fs::remove_dir_all(&old).unwrap();
        assert_eq!(all(), ["nothing"; 2]);
    }

    #[test]
    fn a_folder_to_which_the_host_has_a_link_is_looked_at_as_it_was_made() {
        let [root, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        symlink(elsewhere.path(), root.path().join("sub")).unwrap();
        let fifo = HostFifo::create(&root.path().join("sub"), &name("out"), &Record::none());
        let fifo = fifo.unwrap().seen_beneath(root.path());
        assert_eq!(replaced(&fifo), "nothing");
        let path = elsewhere.path().join("out");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "result").unwrap();
        assert_eq!(replaced(&fifo), "a file");
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
        assert!(error.to_string().contains("`gantline prune` removes"), "{error}");
        assert!(matches!(error, VolumeError::MakeFifo { source, .. }
            if source.kind() == io::ErrorKind::AlreadyExists));
    }
}
