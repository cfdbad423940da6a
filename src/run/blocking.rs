//! Work that blocks, beside the run's one thread.

use tokio::task::spawn_blocking;

use super::error::Cause;
use crate::span::carried;

/// Runs what blocks in another thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Cause> + Send + 'static,
) -> Result<T, Cause> {
    spawn_blocking(carried(work)).await.map_err(|_| Cause::Bug("blocking work panicked"))?
}
