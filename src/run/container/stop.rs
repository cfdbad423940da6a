//! Stopping, killing and removing a container; one that is gone already is as good.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::docker::{Client, ContainerId, DockerError, RemoveOptions};
use crate::run::cancel::{Cancellation, Cancelled, Level};
use crate::run::container::deaf::heard;
use crate::run::error::Cause;
use crate::run::labels::RUN_LABEL;
use crate::span::carried;
use crate::sys::cgroup;

/// Stops a container of a run that is cancelled, with its grace period. Who insists has it killed.
pub(crate) async fn stop_of_cancelled(
    engine: &Client,
    container: &ContainerId,
    (cancellation, grace): (&Cancellation, Duration),
) -> Result<(), Cause> {
    let stopped = cancellation.unless(Level::Insisted, async {
        heard(engine, cancellation, engine.stop(container, grace)).await
    });
    let error = match stopped.await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(Cancelled) => "somebody insists".to_owned(),
    };
    tracing::debug!(%container, error, "killed in place of a stop");
    let killed = heard(engine, cancellation, kill(engine, container)).await;
    if killed.as_ref().is_err_and(DockerError::is_absence) {
        kill_without_engine(container).await;
    }
    killed.map_err(Cause::Stop)
}

/// Kills a container; one that does not run, or is gone, is none that could be killed.
pub(crate) async fn kill(engine: &Client, container: &ContainerId) -> Result<(), DockerError> {
    let Err(error) = engine.kill(container, "KILL").await else { return Ok(()) };
    if error.is_conflict() || error.is_not_found() {
        return Ok(());
    }
    // Podman answers 500 when the container does not run.
    let is_refused = matches!(error, DockerError::Engine { .. });
    match is_refused && engine.inspect(container).await.is_ok_and(|state| !state.running) {
        true => Ok(()),
        false => Err(error),
    }
}

/// Kills a container's processes without its engine, which is not there: whoever reads what we write must
/// not take its end for the file's. On another machine, in a PID namespace of our own, or as another user, there is nothing
/// to be done. Whether some were killed, and with them the container.
pub(crate) async fn kill_without_engine(container: &ContainerId) -> bool {
    let id = container.to_string();
    match spawn_blocking(carried(move || cgroup::kill_container(&id))).await {
        Ok(Ok(killed)) => {
            tracing::debug!(%container, killed, "killed without its engine");
            killed > 0
        }
        Ok(Err(error)) => {
            tracing::debug!(%container, %error, "cannot kill it without its engine");
            false
        }
        Err(error) => {
            tracing::error!(%error, "killing a container panicked");
            false
        }
    }
}

/// Removes a container with its anonymous volumes, as `docker run --rm` does. Somebody else may have removed it, or be
/// at it: then it is gone when they have ended.
///
/// Docker lists a container that it is still making before it knows it by its id (`setHostConfig` and then `Register` in
/// moby's daemon/create.go): one that is not found is gone only if it is not listed.
pub(crate) async fn remove(engine: &Client, id: &ContainerId) -> Result<(), DockerError> {
    let deadline = Instant::now() + REMOVAL_ENDS;
    loop {
        match engine.remove(id, RemoveOptions { force: true, volumes: true }).await {
            Err(error) if error.is_not_found() && !is_listed(engine, id).await => return Ok(()),
            Err(error)
                if (error.is_not_found() || error.is_conflict()) && Instant::now() < deadline =>
            {
                sleep(ASKS_AGAIN).await
            }
            removed => return removed,
        }
    }
}

async fn is_listed(engine: &Client, id: &ContainerId) -> bool {
    let found = engine.list(&[(RUN_LABEL, None)]).await;
    found.is_ok_and(|found| found.iter().any(|container| container.id == *id))
}

/// How long another removal of the same container may take. A busy engine needs seconds.
const REMOVAL_ENDS: Duration = Duration::from_secs(30);

const ASKS_AGAIN: Duration = Duration::from_millis(100);
