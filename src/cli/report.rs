//! Writes the report to a file: all of it, or nothing.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use nix::errno::Errno;
use tempfile::{Builder, NamedTempFile};
use thiserror::Error;

use super::render::harmless_json;
use crate::run::Report;

/// A report that is still to be written. It is opened before the run: one that cannot be written
/// must not be noticed only at the end.
#[derive(Debug)]
pub(super) enum ReportFile {
    /// A regular file, which appears when it is whole.
    Whole {
        path: PathBuf,
        /// Has a descriptor, which is there for the report when there are no others: a run that fails for want of
        /// them is reported all the same.
        spare: File,
    },
    /// A pipe, a terminal, `/dev/null`; whatever `/dev/stderr` is; standard output.
    Special { file: File, path: PathBuf },
}

impl ReportFile {
    /// Opens it; `-` is standard output.
    pub(super) fn open(path: &Path) -> Result<Self, ReportError> {
        let failed = |source| ReportError { path: path.to_owned(), source };
        if path == Path::new("-") {
            let ours = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
            return Ok(Self::Special { file: ours.into(), path: path.to_owned() });
        }
        let is_regular = path.metadata().is_ok_and(|found| found.is_file());
        if path.exists() && (!is_regular || is_open_already(path)) {
            // Behind what others have written there.
            let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
            return Ok(Self::Special { file, path: path.to_owned() });
        }
        // The file that a link leads to is replaced, or made, and not the link.
        let path = match path.read_link() {
            _ if is_regular => path.canonicalize().map_err(failed)?,
            Ok(target) => path.parent().unwrap_or(path).join(target),
            Err(_) => path.to_owned(),
        };
        match temporary_beside(&path) {
            Ok(temporary) => Ok(Self::Whole { path, spare: temporary.into_file() }),
            Err(source) => Err(ReportError { path, source }),
        }
    }

    /// Removes the report of an earlier run: whatever ends this one, it must not look like its own. What is no regular file
    /// is not opened: who reads it would take that for the report.
    pub(super) fn remove_earlier(path: &Path) -> Result<(), ReportError> {
        let failed = |source| ReportError { path: path.to_owned(), source };
        let is_regular = path.metadata().is_ok_and(|found| found.is_file());
        if path == Path::new("-") || !is_regular || is_open_already(path) {
            return Ok(());
        }
        // The file that a link leads to is replaced, not the link.
        match path.canonicalize().and_then(std::fs::remove_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Writes it and gives it its name, in a thread of its own: who is to take it may not.
    pub(super) fn write_aside(self, report: &Report) -> Receiver<Result<(), ReportError>> {
        let (tell, written) = bounded(1);
        let report = report.clone();
        let write = move || {
            let _ = tell.send(self.write(&report));
        };
        // Without a thread it is not written, and its channel says so.
        let _ = thread::Builder::new().name("gantline-report".to_owned()).spawn(write);
        written
    }

    /// Writes it and gives it its name.
    fn write(self, report: &Report) -> Result<(), ReportError> {
        self.write_with(|file| {
            // It may be shown on a terminal, and names in it are those of a store or a container.
            let text = serde_json::to_string(report)? + "\n";
            file.write_all(harmless_json(&text).as_bytes())
        })
    }

    /// Writes what else is written to a file, and gives it its name.
    pub(super) fn write_text(self, text: &str) -> Result<(), ReportError> {
        self.write_with(|file| file.write_all(text.as_bytes()))
    }

    fn write_with(
        self,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), ReportError> {
        match self {
            Self::Whole { path, spare } => {
                drop(spare);
                let kept = temporary_beside(&path).and_then(|mut temporary| {
                    write(temporary.as_file_mut())?;
                    Ok(temporary.persist(&path)?)
                });
                kept.map(drop).map_err(|source| ReportError { path, source })
            }
            Self::Special { mut file, path } => {
                write(&mut file).map_err(|source| ReportError { path, source })
            }
        }
    }
}

/// Whether it stands for what a process has open, as `/dev/stderr` does: that may be a regular
/// file, which others write to and which must not be replaced.
fn is_open_already(path: &Path) -> bool {
    let leads_to_proc = || path.read_link().is_ok_and(|target| target.starts_with("/proc"));
    path.starts_with("/proc") || path.starts_with("/dev/fd") || leads_to_proc()
}

fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // As any new file: the umask takes from it.
    let permissions = Permissions::from_mode(0o666);
    let mut builder = Builder::new();
    builder.prefix(".gantline-report-").permissions(permissions);
    let made = builder.tempfile_in(folder.unwrap_or_else(|| Path::new(".")));
    // Its words name the temporary file.
    made.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Errno::ENOENT.into(),
        io::ErrorKind::PermissionDenied => Errno::EACCES.into(),
        _ => error,
    })
}

/// The report cannot be written.
#[derive(Debug, Error)]
#[error("cannot write to {}", shown(path))]
pub(super) struct ReportError {
    path: PathBuf,
    source: io::Error,
}

fn shown(path: &Path) -> String {
    match path == Path::new("-") {
        true => "standard output".to_owned(),
        false => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, "old").unwrap();
        let report = ReportFile::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        report.write(&Report::default()).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with('{'));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_report_of_an_earlier_run_goes_when_another_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, "old").unwrap();
        for _ in 0..2 {
            ReportFile::remove_earlier(&path).unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        for path in ["/dev/null", "/dev/stderr", "-"] {
            ReportFile::remove_earlier(Path::new(path)).unwrap();
        }
        assert!(Path::new("/dev/null").exists());
    }

    #[test]
    fn the_file_behind_a_link_is_replaced_and_not_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        for is_removed in [false, true] {
            if is_removed {
                ReportFile::remove_earlier(&link).unwrap();
                assert!(!real.exists());
            }
            ReportFile::open(&link).unwrap().write(&Report::default()).unwrap();
            assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(std::fs::read_to_string(&real).unwrap().starts_with('{'));
        }
    }

    #[test]
    fn a_file_that_is_open_already_is_written_behind_what_is_in_it() {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(b"before ").unwrap();
        let opened = std::os::fd::AsRawFd::as_raw_fd(&file);
        let path = PathBuf::from(format!("/proc/self/fd/{opened}"));
        ReportFile::open(&path).unwrap().write(&Report::default()).unwrap();
        assert!(std::fs::read_to_string(file.path()).unwrap().starts_with("before {"));
    }

    #[test]
    fn a_report_that_cannot_be_written_is_noticed_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error = ReportFile::open(&folder.path().join("no/such")).unwrap_err();
        assert!(error.to_string().contains("no/such"));
        assert!(ReportFile::open(folder.path()).is_err());
        ReportFile::open(Path::new("/dev/null")).unwrap().write(&Report::default()).unwrap();
        let ours = ReportError { path: "-".into(), source: Errno::ENOSPC.into() };
        assert_eq!(ours.to_string(), "cannot write to standard output");
    }
}
