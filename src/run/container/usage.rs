//! What a container used: read when its last process has ended, before the engine removes its control group.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::docker::{Client, ContainerId, Endpoint};
use crate::sys::used::{Group, Used, end_of};

/// What a container uses, while it runs. Nothing ticks: the kernel says when its processes have ended.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    group: Option<Arc<Group>>,
    reading: JoinSet<Option<Used>>,
}

impl Usage {
    /// That of a container that has just started. Of an engine on another machine nothing can be read.
    pub(crate) fn of(engine: &Client, container: &ContainerId) -> Self {
        let Endpoint::Unix(_) = engine.endpoint() else { return Self::default() };
        let mut reading = JoinSet::new();
        let group = Group::find(Path::new(CONTROL_GROUPS), container.as_str()).map(Arc::new);
        if let Some(group) = group.clone() {
            reading.spawn(async move {
                let used = used_at_end(&group).await;
                if let Err(error) = &used {
                    tracing::debug!(%error, "cannot read what the container used");
                }
                used.ok().flatten()
            });
        }
        Self { group, reading }
    }

    /// Whether every process of the container has ended, or is about to and runs no program any more. False: nobody
    /// can tell, or one goes on.
    pub(crate) fn is_over(&self) -> bool {
        let Some(group) = &self.group else { return false };
        match group.process() {
            Ok(process) => process.is_none(),
            // The engine removes a group that nobody is left in.
            Err(error) => matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)),
        }
    }

    /// What a container used that has exited. None: it could not be read.
    pub(crate) async fn at_exit(&mut self) -> Option<Used> {
        timeout(LAST_PROCESS, self.reading.join_next()).await.ok()??.ok()?
    }
}

const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// How long a process of the container's may outlive its exit. One that shares the host's processes may stay for
/// ever, and is not waited for.
const LAST_PROCESS: Duration = Duration::from_millis(20);

async fn used_at_end(group: &Group) -> io::Result<Option<Used>> {
    // Kernels that know pidfds list no process that has ended.
    while let Some(process) = group.process()? {
        match end_of(process) {
            // It is no pipe, but is waited for as one is, and never read.
            Ok(end) => pipe::Receiver::from_owned_fd_unchecked(end)?.readable().await?,
            // It ended meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(group.used())
}
