//! Calls to an engine that may be away: while it is started again, the container may run on.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::docker::{Client, DockerError};
use crate::run::cancel::{Cancellation, Level};
use crate::run::container::deaf::heard;

/// Makes a call again while the engine is away, for as long as its patience says. Who cancels the run
/// does not wait for an engine: then the call that is under way is the last.
///
/// # Errors
/// What the last call failed with.
pub(crate) async fn patiently<T, F>(
    engine: &Client,
    cancellation: &Cancellation,
    mut call: impl FnMut() -> F,
) -> Result<T, DockerError>
where
    F: Future<Output = Result<T, DockerError>>,
{
    let deadline = Instant::now() + engine.patience();
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let error = match heard(engine, cancellation, call()).await {
            Err(error) if error.is_absence() && Instant::now() < deadline => error,
            answer => return answer,
        };
        tracing::debug!(?error, "the engine is away");
        let pause = sleep(backoff.failed(None));
        if cancellation.unless(Level::Asked, pause).await.is_err() {
            return Err(error);
        }
    }
}

/// An engine that is started again needs a second or two.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(2);
