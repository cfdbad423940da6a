//! The container's exit, whatever becomes of the engine meanwhile.

use std::time::{Duration, Instant};

use crate::docker::{Client, ContainerId, DockerError, Exit, ExitWait};
use crate::run::cancel::Cancellation;
use crate::run::container::absence::patiently;
use crate::run::error::Cause;

/// How the container ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// When it was told.
    pub(crate) at: Instant,
    /// How long the engine was away while the container ran, if it was.
    pub(crate) away: Option<Duration>,
}

/// Waits for the exit. When the engine goes away it is met again, and asked again by the container's id.
pub(crate) async fn exit_of(
    engine: &Client,
    container: &ContainerId,
    wait: ExitWait,
    cancellation: &Cancellation,
) -> Result<Ended, Cause> {
    let mut answer = told(engine, container, wait).await;
    let mut away = None;
    loop {
        let error = match answer {
            Ok(exit) => return Ok(Ended { exit, at: Instant::now(), away }),
            Err(Cause::Exit(error)) if error.is_absence() => error,
            Err(cause) => return Err(cause),
        };
        tracing::warn!(%container, %error, "the engine went away, and is waited for");
        let since = Instant::now();
        // Not the next exit: it may have been meanwhile.
        let call = || engine.wait_not_running(container);
        let wait =
            patiently(engine, cancellation, call).await.map_err(|source| lost(engine, source))?;
        let absence = since.elapsed();
        tracing::info!(%container, seconds = absence.as_secs_f32(), "the engine is back");
        away = Some(away.unwrap_or_default() + absence);
        answer = told(engine, container, wait).await;
    }
}

/// What the wait says. One that has said nothing for as long as a call may take may have been forgotten by the engine,
/// or by somebody between: the container is looked at, that often and no more. It may not even have been started,
/// whatever was answered to that, or be gone.
async fn told(engine: &Client, container: &ContainerId, wait: ExitWait) -> Result<Exit, Cause> {
    let mut exit = std::pin::pin!(wait.exit());
    loop {
        if let Ok(told) = tokio::time::timeout(engine.timeout(), &mut exit).await {
            return told.map_err(Cause::Exit);
        }
        match Box::pin(engine.inspect(container)).await {
            Ok(state) if matches!(state.status.as_str(), "exited" | "dead") => {
                tracing::warn!(%container, "the engine does not tell of the container's exit");
                let (status_code, error) = (state.exit_code, state.error);
                return Ok(Exit { status_code, error });
            }
            Ok(state) if state.status == "created" => return Err(Cause::NotStarted),
            Ok(_) => {}
            Err(error) if error.is_not_found() => return Err(Cause::Exit(error)),
            // Should the engine be away, the wait ends as well.
            Err(error) => tracing::debug!(%container, %error, "the container cannot be looked at"),
        }
    }
}

fn lost(engine: &Client, source: DockerError) -> Cause {
    match source.is_absence() {
        true => Cause::EngineLost { after: engine.patience(), source },
        false => Cause::Exit(source),
    }
}
