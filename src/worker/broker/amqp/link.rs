//! The connection that all parts of a session share, and the word of its end.

use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt as _;
use lapin::{Channel, Connection, ErrorKind, Event};
use tracing::warn;

use super::super::ending::Ending;
use super::super::error::BrokerError;
use super::publish::Publishers;

/// A connection to RabbitMQ that is up, or was.
pub(super) struct Link {
    connection: Connection,
    pub(super) publishers: Publishers,
    pub(super) ending: Ending,
}

impl Link {
    pub(super) fn new(connection: Connection) -> Arc<Self> {
        let link = Arc::new(Self {
            publishers: Publishers::default(),
            ending: Ending::default(),
            connection,
        });
        let mut events = Box::pin(link.connection.events_listener());
        // It must not keep the connection: whoever drops the session closes it.
        let watched = Arc::downgrade(&link);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let Some(link) = watched.upgrade() else { return };
                match event {
                    // Refusals that close a channel come here as well.
                    Event::Error(error) if !link.connection.status().connected() => {
                        link.ending.with(BrokerError::Lost(Arc::new(error)));
                    }
                    Event::ConnectionBlocked(why) => {
                        warn!("RabbitMQ takes no messages from us for now: {why}");
                    }
                    _ => {}
                }
            }
        });
        link
    }

    /// A new channel.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        let channel = self.connection.create_channel().await;
        channel.map_err(|error| self.error("open a channel", error))
    }

    /// How many channels the connection may have.
    pub(super) fn most_channels(&self) -> usize {
        match self.connection.configuration().channel_max() {
            0 => usize::from(u16::MAX),
            most => usize::from(most),
        }
    }

    /// What a failed operation means. Whether the whole connection has failed is asked of the connection: an
    /// error of a channel says it in several ways.
    pub(super) fn error(&self, what: impl Into<String>, error: lapin::Error) -> BrokerError {
        if let Err(end) = self.ending.check() {
            return end;
        }
        let whole = !self.connection.status().connected();
        if whole || error.is_io_error() || matches!(error.kind(), ErrorKind::MissingHeartbeatError)
        {
            let end = BrokerError::Lost(Arc::new(error));
            self.ending.with(end.clone());
            return end;
        }
        BrokerError::Refused { what: what.into(), source: Arc::new(error) }
    }

    /// Closes the connection in good order. What is unsettled is RabbitMQ's again.
    pub(super) async fn close(&self) {
        self.ending.with(BrokerError::Closed);
        // An error says that it was closed already.
        let _ = self.connection.close(200, "OK".into()).await;
    }
}

/// The number of RabbitMQ's refusal: 404 for what is not there, and so on.
pub(super) fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

pub(super) const ACCESS_REFUSED: u16 = 403;
pub(super) const NOT_FOUND: u16 = 404;
pub(super) const RESOURCE_LOCKED: u16 = 405;
pub(super) const NOT_ALLOWED: u16 = 530;

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("ending", &self.ending).finish_non_exhaustive()
    }
}
