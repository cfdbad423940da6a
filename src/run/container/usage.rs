//! What a container used: read when its last process has ended, before the engine removes its control group.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::docker::{Client, ContainerId, Endpoint};
use crate::sys::used::{Group, Used, end_of};

/// What a container uses, while it runs. Nothing ticks: the kernel says when its processes have ended.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    reading: JoinSet<Option<Used>>,
}

impl Usage {
    /// That of a container that has just started. Of an engine on another machine nothing can be read.
    pub(crate) fn of(engine: &Client, container: &ContainerId) -> Self {
        let mut reading = JoinSet::new();
        if matches!(engine.endpoint(), Endpoint::Unix(_))
            && let Some(group) = Group::find(Path::new(CONTROL_GROUPS), container.as_str())
        {
            reading.spawn(async move {
                let used = used_at_end(&group).await;
                if let Err(error) = &used {
                    tracing::debug!(%error, "cannot read what the container used");
                }
                used.ok().flatten()
            });
        }
        Self { reading }
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
