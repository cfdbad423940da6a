//! Removes what runs have left that were killed themselves.
//!
//! A container says by its labels which process made it, on which host, and what else it made; a
//! temporary directory says it by its name. What belongs to a process that is still there, or to
//! another host, is left alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::container::stop::remove;
use super::error::CleanUpError;
use super::labels::{
    HOST_LABEL, KEEP_LABEL, MADE_LABEL, PID_LABEL, RUN_LABEL, SINCE_LABEL, this_host,
};
use crate::docker::{Client, ContainerSummary, DockerError, Settings};
use crate::run::transfers::host_file::{HostFileError, is_unfinished};
use crate::volume::{Owner, VolumeError, is_orphan, orphans, remove_tree};

/// What was removed, and what could not be.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// Names of containers.
    pub containers: Vec<String>,
    /// Temporary directories and FIFOs.
    pub paths: Vec<PathBuf>,
    /// What is still there.
    pub left: Vec<CleanUpError>,
}

/// Removes what killed runs have left: their containers, and the temporary directories in
/// `temporary_folder` and wherever their containers say.
///
/// # Errors
/// [`PruneError`]: the engine or the folder cannot be looked through. What cannot be removed is in
/// [`Pruned::left`].
pub fn prune(engine: Settings, temporary_folder: &Path) -> Result<Pruned, PruneError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(PruneError::Begin)?;
    let mut pruned = Pruned::default();
    let made = runtime.block_on(prune_containers(engine, &mut pruned))?;
    let found = orphans(temporary_folder)
        .map_err(|source| PruneError::Folder { folder: temporary_folder.to_owned(), source })?;
    for path in made.into_iter().chain(found) {
        match remove_path(&path) {
            Ok(true) => pruned.paths.push(path),
            Ok(false) => {}
            Err(error) => pruned.left.push(error),
        }
    }
    Ok(pruned)
}

/// Removes the containers of dead processes, and gives the paths that they name.
async fn prune_containers(
    engine: Settings,
    pruned: &mut Pruned,
) -> Result<Vec<PathBuf>, PruneError> {
    let engine = Client::connect(engine).await.map_err(PruneError::Engine)?;
    let host = this_host();
    let ours = [(RUN_LABEL, None), (HOST_LABEL, Some(host.as_str()))];
    let found = engine.list(&ours).await.map_err(PruneError::Engine)?;
    let mut paths = Vec::new();
    for container in found.into_iter().filter(|container| is_left(&container.labels)) {
        let name = name_of(&container);
        match remove(&engine, &container.id).await {
            Ok(()) => {
                paths.extend(made_paths(&container.labels));
                pruned.containers.push(name);
            }
            Err(source) => pruned.left.push(CleanUpError::Container { name, source }),
        }
    }
    Ok(paths)
}

fn is_left(labels: &BTreeMap<String, String>) -> bool {
    let label = |name| labels.get(name).map(String::as_str).unwrap_or_default();
    let owner = Owner::from_parts(label(PID_LABEL), label(SINCE_LABEL));
    owner.is_some_and(|owner| owner.is_gone()) && !labels.contains_key(KEEP_LABEL)
}

fn name_of(container: &ContainerSummary) -> String {
    match container.names.first() {
        Some(name) => name.trim_start_matches('/').to_owned(),
        None => container.id.to_string(),
    }
}

fn made_paths(labels: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let list = labels.get(MADE_LABEL).map(String::as_str).unwrap_or_default();
    serde_json::from_str(list).unwrap_or_default()
}

/// Removes a FIFO, an unfinished file, or a temporary directory of a process that is gone; nothing
/// else, whatever a label says. Whether there was something to remove.
fn remove_path(path: &Path) -> Result<bool, CleanUpError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(false) };
    let path = path.to_owned();
    if found.file_type().is_fifo() {
        let removed = fs::remove_file(&path);
        let failed = |source| CleanUpError::Volume(VolumeError::RemoveFifo { path, source });
        return removed.map_err(failed).map(|()| true);
    }
    if found.is_file() && is_unfinished(&path) {
        let removed = fs::remove_file(&path);
        let failed = |source| CleanUpError::HostFile(HostFileError::Remove { path, source });
        return removed.map_err(failed).map(|()| true);
    }
    if found.is_dir() && is_orphan(&path) {
        return remove_tree(&path).map_err(CleanUpError::Volume).map(|()| true);
    }
    Ok(false)
}

/// Why there was no looking for what was left.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The runtime could not be made.
    #[error("cannot begin")]
    Begin(#[source] io::Error),
    /// The engine does not say what containers there are.
    #[error("cannot look for containers")]
    Engine(#[source] DockerError),
    /// The folder of temporary directories cannot be read.
    #[error("cannot look through {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn what_belongs_to_a_live_process_is_left_alone() {
        let labels = |(pid, since): (String, String)| {
            BTreeMap::from([(PID_LABEL.to_owned(), pid), (SINCE_LABEL.to_owned(), since)])
        };
        assert!(!is_left(&labels(Owner::this_process().to_parts())));
        assert!(is_left(&labels(Owner::gone().to_parts())));
        let mut kept = labels(Owner::gone().to_parts());
        kept.insert(KEEP_LABEL.to_owned(), String::new());
        assert!(!is_left(&kept));
        assert!(!is_left(&labels(("nonsense".to_owned(), "1".to_owned()))));
        assert!(!is_left(&BTreeMap::new()));
    }

    #[test]
    fn a_label_can_have_only_what_is_ours_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (fifo, file) = (folder.path().join("fifo"), folder.path().join("file"));
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        fs::write(&file, "precious").unwrap();
        assert!(remove_path(&fifo).unwrap());
        assert!(!remove_path(&fifo).unwrap());
        assert!(!remove_path(&file).unwrap());
        let unfinished = folder.path().join(format!(".out.gantline-{}", "0".repeat(32)));
        fs::write(&unfinished, "half").unwrap();
        assert!(remove_path(&unfinished).unwrap());
        assert!(!remove_path(folder.path()).unwrap());
        assert!(file.exists());
    }
}
