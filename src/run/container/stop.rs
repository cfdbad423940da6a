//! Stopping, killing and removing a container; one that is gone already is as good.

use std::time::Duration;

use crate::docker::{Client, ContainerId, DockerError, RemoveOptions};
use crate::run::cancel::{Cancellation, Cancelled, Level};
use crate::run::error::Cause;

/// Stops a container of a run that is cancelled, with its grace period. Who insists has it killed.
pub(crate) async fn stop_of_cancelled(
    engine: &Client,
    container: &ContainerId,
    (cancellation, grace): (&Cancellation, Duration),
) -> Result<(), Cause> {
    match cancellation.unless(Level::Insisted, stop(engine, container, grace)).await {
        Ok(stopped) => stopped,
        Err(Cancelled) => kill(engine, container).await,
    }
}

/// Stops a container, and kills it when that comes to nothing.
async fn stop(engine: &Client, container: &ContainerId, grace: Duration) -> Result<(), Cause> {
    match engine.stop(container, grace).await {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::debug!(%container, ?error, "stop failed, killing");
            kill(engine, container).await
        }
    }
}

/// Kills a container; one that does not run, or is gone, is none that could be killed.
pub(crate) async fn kill(engine: &Client, container: &ContainerId) -> Result<(), Cause> {
    match engine.kill(container, "KILL").await {
        Err(error) if !error.is_conflict() && !error.is_not_found() => Err(Cause::Stop(error)),
        _ => Ok(()),
    }
}

/// Removes a container with its anonymous volumes, as `docker run --rm` does. That somebody else
/// has removed it, or is doing so, is as good.
pub(crate) async fn remove(engine: &Client, id: &ContainerId) -> Result<(), DockerError> {
    match engine.remove(id, RemoveOptions { force: true, volumes: true }).await {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}
