//! Whether the engine sees the folders of this machine that the job's data goes through. One that has another
//! file system (on another host, or around the container that we run in) mounts folders of its own, and the
//! container would find them empty.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::docker::{Client, ContainerId};
use crate::plan::{FifoFolder, Mount, Plan};
use crate::run::error::Cause;
use crate::run::live::Live;
use crate::volume::{HostFifo, RelativePath};

/// What is looked for through the engine, each in a folder of its own.
#[derive(Debug, Default)]
pub(crate) struct Sights(Vec<Sight>);

#[derive(Debug)]
struct Sight {
    /// On this machine.
    folder: PathBuf,
    /// In the container.
    path: String,
}

impl Sights {
    /// Chooses what to look for: a FIFO that is there anyway, or a marker, which is gone before the container
    /// starts. A folder that cannot be written is not looked at.
    pub(crate) fn choose(live: &mut Live) -> Self {
        let used = mounts_in_use(&live.plan);
        Self(used.into_iter().filter_map(|at| Sight::choose(live, at)).collect())
    }

    /// Looks for each.
    pub(crate) async fn look(&self, engine: &Client, container: &ContainerId) -> Result<(), Cause> {
        for Sight { folder, path } in &self.0 {
            match engine.has(container, path).await {
                Ok(true) => {}
                Ok(false) => {
                    let engine = engine.endpoint().to_string();
                    return Err(Cause::Unseen { folder: folder.clone(), engine });
                }
                // An engine without this call: nothing is known.
                Err(error) => tracing::debug!(?error, %path, "cannot look whether it is there"),
            }
        }
        Ok(())
    }
}

impl Sight {
    fn choose(live: &mut Live, at: usize) -> Option<Self> {
        let target = live.plan.mounts.get(at)?.target().clone();
        let folder = live.host_side(at)?.to_owned();
        let fifo = live.plan.fifos.iter().find(|fifo| fifo.folder == FifoFolder::Mount(at));
        let name = match fifo {
            Some(fifo) => fifo.name.as_path().to_owned(),
            None => {
                let name = format!(".gantline-{}", Uuid::new_v4().simple());
                let made = HostFifo::create(&folder, &RelativePath::new(&name).ok()?, &live.record);
                let marker = made.inspect_err(|error| tracing::debug!(%error, "not looked at"));
                live.made.markers.push(marker.ok()?);
                PathBuf::from(name)
            }
        };
        let path = Path::new(target.as_str()).join(name).to_str()?.to_owned();
        Some(Self { folder, path })
    }
}

/// The mounts that data goes through, each once. Temporary volumes lie beside each other: one of those in the
/// same folder stands for all.
fn mounts_in_use(plan: &Plan) -> Vec<usize> {
    let fifos = plan.fifos.iter().filter_map(|fifo| match &fifo.folder {
        FifoFolder::Mount(at) => Some(*at),
        FifoFolder::Host(path) => plan.mounts.iter().position(|mount| match mount {
            Mount::Bind { host_path, .. } => path.as_path() == Path::new(host_path),
            Mount::Temporary { .. } => false,
        }),
    });
    let downloads = plan.downloads.iter().map(|download| download.mount);
    let hooks = plan.hooks.iter().filter_map(|hook| hook.mount);
    let mut used: Vec<usize> = Vec::new();
    for at in fifos.chain(downloads).chain(hooks) {
        let parent = |at: usize| match plan.mounts.get(at) {
            Some(Mount::Temporary { host_dir, .. }) => Some(host_dir),
            _ => None,
        };
        let is_seen = |seen: &usize| {
            *seen == at || parent(at).is_some_and(|folder| parent(*seen) == Some(folder))
        };
        if !used.iter().any(is_seen) {
            used.push(at);
        }
    }
    used
}
