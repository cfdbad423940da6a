//! Where the guard meets the engine.

use std::fs;
use std::io;
use std::process;

use nix::sys::signal::SigSet;

use crate::docker::{Client, ContainerId, DockerError, Endpoint, Settings};
use crate::guard::{self, Watch};

/// Has a guard for the runs of this process: should it be killed, their containers are killed before a
/// program can take the part of a file that it has got for the whole.
///
/// To be called at the beginning of `main`, before there are threads. The guard is this binary, begun anew
/// when a run first holds a FIFO that its container reads; there this call does not return. It
/// sleeps, and ends when this process does. A whole control group that is killed (`systemctl kill`, a cgroup's
/// `cgroup.kill`, a container that Gantline itself runs in) takes the guard with it. The kernel, for want of memory,
/// spares it where the process may ask for that (`CAP_SYS_RESOURCE`), also when it kills a whole group
/// (`memory.oom.group`).
///
/// In the first process of a container, whose end would be the guard's, this binary is begun anew with the same
/// arguments. There this call returns; here it waits, hands on signals, and ends the process as the other one ends.
///
/// What the dead process leaves otherwise, such as folders and the container that was killed, is found by
/// `gantline prune`.
pub fn guard() {
    serve_if_asked();
    stand_in_front_if_first();
    guard::want();
}

/// Lets a process below a container's first one do the work, if this is the first. Ends this one when that has ended.
#[expect(clippy::exit, reason = "the binary's own main is for the process below")]
pub(crate) fn stand_in_front_if_first() {
    match guard::first::stand_in_front() {
        Ok(None) => {}
        Ok(Some(code)) => process::exit(code.into()),
        Err(error) => {
            tracing::warn!(%error, "nothing can be begun below a container's first process")
        }
    }
}

/// Serves, if this process was begun as a guard, and then ends it.
#[expect(clippy::exit, reason = "the binary's own main is not for a guard")]
pub(crate) fn serve_if_asked() {
    if !guard::is_this() {
        return;
    }
    // It outlives whatever ends us: a terminal that is closed, a signal to our process group or service.
    let _ = nix::unistd::setsid();
    // Not everybody may.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    let _ = SigSet::all().thread_block();
    guard::serve(&io::stdin(), kill);
    process::exit(0);
}

/// Kills a container. False: it may still run.
fn kill(watch: &Watch) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return false };
    match runtime.block_on(kill_by_the_engine(watch)) {
        Ok(()) => true,
        // It is gone, or does not run.
        Err(error) => error.is_not_found() || error.is_conflict(),
    }
}

async fn kill_by_the_engine(watch: &Watch) -> Result<(), DockerError> {
    let endpoint = Endpoint::parse(&watch.engine)?;
    let Ok(container) = ContainerId::try_from(watch.container.clone()) else {
        return Err(DockerError::Bug("a container without an id is watched"));
    };
    let engine = Client::connect(Settings { endpoint, ..Settings::default() }).await?;
    // The engine answers when the container is dead.
    engine.kill(&container, "SIGKILL").await
}
