//! What a worker remembers over its own end: which ids were revoked, and what runs (`--statedb`).
//!
//! The file is replaced as a whole, so that a kill at any instant leaves the old one or the new one.
//! It holds the tokens of the jobs that run, and is read and written by its owner alone (0600).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::libc::O_NOFOLLOW;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::celery::Revoked;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Remembered {
    /// The worker's name, `gantline@host`: another one's file is not taken for ours.
    pub(super) node: String,
    /// The revoked ids, as [`Revoked`] writes them.
    #[serde(default)]
    pub(super) revoked: serde_json::Value,
    /// The jobs that run.
    #[serde(default)]
    pub(super) running: Vec<RunningJob>,
}

/// The same, to be written. Fifty thousand ids are not made into anything else for it.
#[derive(Debug, Serialize)]
pub(super) struct ToRemember<'a> {
    pub(super) node: &'a str,
    pub(super) revoked: &'a Revoked,
    pub(super) running: &'a [RunningJob],
}

/// One job that runs: enough to end it in Girder when its worker has died.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunningJob {
    /// Celery's id of the task.
    pub(super) task_id: String,
    /// The run, as the container's label has it.
    pub(super) run_id: String,
    /// Girder's `jobInfoSpec`, if the task has a job: its address, its method, its headers.
    #[serde(default)]
    pub(super) job: Option<serde_json::Value>,
    /// Whether the message comes again by itself, since it was not acknowledged.
    pub(super) comes_again: bool,
}

impl std::fmt::Debug for RunningJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The job's headers hold a token.
        let mut shown = f.debug_struct("RunningJob");
        shown.field("task_id", &self.task_id).field("run_id", &self.run_id).finish_non_exhaustive()
    }
}

/// The file, locked by this process while it is held.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    /// A file beside it, since the state itself is replaced.
    _lock: Flock<File>,
}

impl StateFile {
    /// Takes the file for this process, and reads what it remembers: nothing if there is none.
    ///
    /// # Errors
    /// [`StateFileError`]: another process holds it, it cannot be read, it is no file of ours, or
    /// other users may read or write it.
    pub(super) fn open(path: &Path, node: &str) -> Result<(Self, Remembered), StateFileError> {
        let failed = |source| StateFileError::Use { path: path.to_owned(), source };
        let beside = beside(path, ".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(O_NOFOLLOW)
            .open(&beside)
            .map_err(failed)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|_| StateFileError::InUse { path: path.to_owned() })?;
        let file = Self { path: path.to_owned(), _lock: lock };
        let text = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.is_file() || found.mode() & 0o077 != 0 => {
                return Err(StateFileError::NotOurs { path: path.to_owned() });
            }
            Ok(_) => Some(fs::read(path).map_err(failed)?),
        };
        let remembered = match text {
            None => Remembered::default(),
            Some(text) => serde_json::from_slice::<Remembered>(&text)
                .map_err(|source| StateFileError::Read { path: path.to_owned(), source })?,
        };
        if !remembered.node.is_empty() && remembered.node != node {
            let of = remembered.node;
            return Err(StateFileError::OfAnother { path: path.to_owned(), of });
        }
        Ok((file, Remembered { node: node.to_owned(), ..remembered }))
    }

    /// Replaces what is remembered.
    ///
    /// # Errors
    /// [`StateFileError::Use`]: the old file is still there.
    pub(super) fn save(&self, to_remember: &ToRemember<'_>) -> Result<(), StateFileError> {
        let failed = |source| StateFileError::Use { path: self.path.clone(), source };
        let fresh = beside(&self.path, ".new");
        let text = serde_json::to_vec(to_remember).map_err(|error| failed(error.into()))?;
        let write = || {
            // One that a killed process left.
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file =
                OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
            file.write_all(&text)?;
            file.sync_data()?;
            fs::rename(&fresh, &self.path)?;
            // Until the folder is written a crash of the machine brings the old one back.
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
        };
        write().map_err(failed)
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A state file that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum StateFileError {
    /// The system refuses.
    #[error("cannot use the state file {}", path.display())]
    Use {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two workers would overwrite what the other remembers.
    #[error("the state file {} is in use by another worker: give each its own --statedb", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could read its tokens, or have written it.
    #[error(
        "the state file {} is no plain file that its owner alone may use: remove it, or chmod 600",
        path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// It was written under another name.
    #[error("the state file {} belongs to the worker {of:?}: give --hostname {of}, or another --statedb", path.display())]
    OfAnother {
        /// The file.
        path: PathBuf,
        /// Whose.
        of: String,
    },
    /// It is no state of ours.
    #[error("the state file {} cannot be read: remove it, what it remembers is lost", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;

    fn job() -> RunningJob {
        RunningJob {
            task_id: "t".to_owned(),
            run_id: "r".to_owned(),
            job: Some(json!({"url": "http://g/job/1", "headers": {"Girder-Token": "s3cret"}})),
            comes_again: false,
        }
    }

    #[test]
    fn what_was_saved_is_read_again_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (file, mut state) = StateFile::open(&path, "gantline@a").unwrap();
        assert_eq!(state, Remembered { node: "gantline@a".to_owned(), ..Remembered::default() });
        state.running.push(job());
        let mut revoked = Revoked::default();
        revoked.add("an-id", UNIX_EPOCH);
        let running = &state.running;
        let to_remember = ToRemember { node: &state.node, revoked: &revoked, running };
        file.save(&to_remember).unwrap();
        file.save(&to_remember).unwrap();
        state.revoked = json!({"an-id": 0});
        assert!(matches!(StateFile::open(&path, "gantline@a"), Err(StateFileError::InUse { .. })));
        drop(file);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(StateFile::open(&path, "gantline@a").unwrap().1, state);
        let other = StateFile::open(&path, "gantline@b").unwrap_err().to_string();
        assert!(other.contains("gantline@a"), "{other}");
        assert!(!format!("{state:?}").contains("s3cret"));
    }

    #[test]
    fn a_file_that_others_may_read_a_link_and_nonsense_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| StateFile::open(&folder.path().join(name), "n").map(drop);
        let path = |name: &str| folder.path().join(name);
        fs::write(path("open"), "{}").unwrap();
        fs::set_permissions(path("open"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open("open"), Err(StateFileError::NotOurs { .. })));
        std::os::unix::fs::symlink("/etc/passwd", path("link")).unwrap();
        assert!(matches!(open("link"), Err(StateFileError::NotOurs { .. })));
        fs::write(path("nonsense"), "x").unwrap();
        fs::set_permissions(path("nonsense"), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(open("nonsense"), Err(StateFileError::Read { .. })));
        assert!(matches!(open("no/such/folder"), Err(StateFileError::Use { .. })));
    }
}
