//! The word that a session is over, for all its parts. The first reason stays.

use tokio::sync::watch;

use super::error::BrokerError;

/// Why a session has ended, once it has.
#[derive(Debug, Default)]
pub(super) struct Ending(watch::Sender<Option<BrokerError>>);

impl Ending {
    /// The session is over.
    pub(super) fn with(&self, error: BrokerError) {
        self.0.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(error);
            first
        });
    }

    /// Fails if it is over.
    pub(super) fn check(&self) -> Result<(), BrokerError> {
        self.0.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits for the end.
    pub(super) async fn comes(&self) -> BrokerError {
        let mut end = self.0.subscribe();
        let ended = end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| end.clone()).unwrap_or(BrokerError::Closed)
    }
}
