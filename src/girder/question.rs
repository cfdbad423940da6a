//! Questions that are asked again while the server cannot answer. What is asked so may be asked twice: a listing, a
//! folder that is made unless it is there, values that are merged.

use std::convert::Infallible;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Client, GirderError};
use crate::backoff::Backoff;

impl Client {
    /// Asks until the server answers, or the client's [`patience`](Self::patience) is over. Blocks; gives up when
    /// `cancelled` is disconnected.
    ///
    /// # Errors
    /// The last answer's.
    pub(crate) fn ask<T>(
        &self,
        cancelled: &Receiver<Infallible>,
        question: impl Fn(&Self) -> Result<T, GirderError>,
    ) -> Result<T, GirderError> {
        let mut backoff = Backoff::of_a_question(self.patience());
        loop {
            let error = match question(self) {
                Err(error) if error.is_transient() && backoff.may_try_again() => error,
                ended => return ended,
            };
            tracing::debug!(%error, "Girder is asked again");
            let pause = backoff.failed(error.retry_after());
            if cancelled.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return Err(error);
            }
        }
    }
}
