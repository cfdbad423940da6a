//! A small file system, which is soon full or stands still.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system, which is taken away in the end.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// Makes one of so many bytes, in memory.
    pub(crate) fn mount(bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        does(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()));
        Self { path: folder.path().to_owned(), _folder: folder }
    }

    /// Makes one that can be frozen.
    pub(crate) fn with_ice() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [image, path] = ["image", "disk"].map(|name| folder.path().join(name));
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        does(Command::new("mkfs.ext4").arg("-q").arg(&image));
        fs::create_dir(&path).unwrap();
        does(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&path));
        Self { path, _folder: folder }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whoever writes to it waits until this is dropped.
    pub(crate) fn freezes(&self) -> Frozen<'_> {
        does(Command::new("fsfreeze").arg("-f").arg(&self.path));
        Frozen(self)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// A disk that stands still.
#[derive(Debug)]
pub(crate) struct Frozen<'a>(&'a Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.0.path).status();
    }
}

fn does(command: &mut Command) {
    assert!(command.status().unwrap().success(), "file systems need root: {command:?}");
}
