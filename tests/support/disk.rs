//! A small file system, which is soon full.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A file system in memory, which is taken away in the end.
#[derive(Debug)]
pub(crate) struct Disk(TempDir);

impl Disk {
    /// Makes one of so many bytes.
    pub(crate) fn mount(bytes: u64) -> Self {
        let path = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path.path())
            .status();
        assert!(mounted.unwrap().success(), "mounting a file system needs root");
        Self(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
