//! Calls to an engine that may not answer, of a run that was told to end.

use std::time::Duration;

use tokio::time::sleep;

use crate::docker::{Client, DockerError};
use crate::run::cancel::Cancellation;

/// Lets a call go on. When the run is told to end, it goes on only for as long as the engine answers others.
///
/// # Errors
/// Those of the call, and of the engine's silence.
pub(crate) async fn heard<T>(
    engine: &Client,
    cancellation: &Cancellation,
    call: impl Future<Output = Result<T, DockerError>>,
) -> Result<T, DockerError> {
    let silence = silence(engine, cancellation);
    cancellation.beside(call, silence).await.unwrap_or_else(Err)
}

/// Comes back when the engine says nothing.
async fn silence(engine: &Client, cancellation: &Cancellation) -> DockerError {
    let patience = if cancellation.has_met_silence() { SHORT } else { ANSWER };
    loop {
        if let Err(error) = engine.ping(patience).await {
            cancellation.meets_silence();
            return error;
        }
        sleep(ANSWER).await;
    }
}

/// How long an engine may take to say that it is there.
const ANSWER: Duration = Duration::from_millis(800);

/// And one that has not said so before.
const SHORT: Duration = Duration::from_millis(20);
