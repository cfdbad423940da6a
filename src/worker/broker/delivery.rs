//! A message that is ours until we say what becomes of it.

use std::any::Any;
use std::fmt;

use crate::worker::celery::Message;

/// A message that [`Session::take`](super::Session::take) has taken. The broker keeps it for us until it is
/// settled: acknowledged, given back or passed on.
///
/// One that is dropped and not settled comes again: from RabbitMQ at once, from Redis after the visibility
/// timeout.
pub struct Delivery {
    message: Message,
    queue: String,
    redelivered: bool,
    receipt: Box<dyn Any + Send + Sync>,
}

impl Delivery {
    /// A delivery; `receipt` is what the broker that makes it needs to settle it.
    pub fn new(
        message: Message,
        queue: String,
        redelivered: bool,
        receipt: impl Any + Send + Sync,
    ) -> Self {
        Self { message, queue, redelivered, receipt: Box::new(receipt) }
    }

    /// The message as it was sent.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The queue that it was taken from.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Whether it has been taken before by somebody who did not acknowledge it.
    pub fn is_redelivered(&self) -> bool {
        self.redelivered
    }

    /// The receipt, for the broker whose it is.
    pub fn receipt<R: Any>(&self) -> Option<&R> {
        self.receipt.downcast_ref()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Delivery");
        shown.field("message", &self.message).field("queue", &self.queue);
        shown.field("redelivered", &self.redelivered).finish_non_exhaustive()
    }
}

/// Where in its queue a message is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// It is the next to be taken, and marked as redelivered. On a quorum queue that counts as one of the
    /// returns after which RabbitMQ 4 drops a message: not for what will come back at once.
    Head,
    /// As if nobody had taken it, and not marked: its job has not begun, or its run is over, and whoever takes it need
    /// not ask for it. The next to be taken, too; but RabbitMQ marks what it puts there, so that on RabbitMQ this is
    /// [`Head`](Self::Head) while other messages wait.
    Unseen,
    /// Behind all that waits now. It is published again, with all that it came with.
    Tail,
}

/// What came of settling a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Settled {
    /// The broker has done it.
    Done,
    /// The connection that the message came by is gone, and the message is the broker's again: nothing was
    /// sent. RabbitMQ only: Redis settles what an earlier session took.
    Stale,
    /// The message was held for too long, and the broker gives it to others: nothing was done. On RabbitMQ that
    /// is `consumer_timeout` (30 minutes unless it is set), on Redis the visibility timeout of some worker.
    Overdue,
}
