//! What every broker does for a worker.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::delivery::{Delivery, End, Settled};
use super::error::BrokerError;
use crate::worker::celery::Message;

/// One life of a connection to a broker. The module's text has the guarantees.
///
/// All methods may be called at the same time. After an error that [ends the
/// session](BrokerError::ends_session) all of them fail.
#[async_trait]
pub trait Session: Send + Sync + fmt::Debug {
    /// Makes sure that a queue is there. One that is there is taken as it is, whatever its arguments; one that is
    /// not is made as kombu makes it: durable, bound to a durable direct exchange of its name.
    ///
    /// # Errors
    /// The broker does not allow it, or the session is over.
    async fn declare(&self, queue: &str) -> Result<(), BrokerError>;

    /// Says which queues [`take`](Self::take) takes from; what waits is moved to them at once. They are declared. With
    /// none, `take` waits.
    fn serve(&self, queues: &[String]);

    /// Waits for a message for one free slot. Nothing is lost if it is dropped.
    ///
    /// # Errors
    /// The session is over. A queue that has been deleted ends it too: the next one declares it again.
    async fn take(&self) -> Result<Delivery, BrokerError>;

    /// Ends a message: it will not come again.
    ///
    /// # Errors
    /// The session is over. Whether the broker has heard it is not known.
    async fn ack(&self, delivery: &Delivery) -> Result<Settled, BrokerError>;

    /// Puts a message back into the queue that it was taken from.
    ///
    /// # Errors
    /// As [`pass_on`](Self::pass_on).
    async fn give_back(&self, delivery: &Delivery, end: End) -> Result<Settled, BrokerError>;

    /// Moves a message to the tail of another queue; its body, headers and properties stay as they are. It is
    /// published and confirmed before it is acknowledged; on Redis both are one transaction.
    ///
    /// # Errors
    /// [`BrokerError::NoQueue`]: the message is still ours. Or the session is over.
    async fn pass_on(&self, delivery: &Delivery, queue: &str) -> Result<Settled, BrokerError>;

    /// Says that we still have the message and want it. Redis: to be called each third of the visibility timeout
    /// while a message is held. RabbitMQ needs no such word and has none.
    ///
    /// # Errors
    /// The session is over.
    async fn renew(&self, delivery: &Delivery) -> Result<Settled, BrokerError>;

    /// Publishes a message and waits until the broker has it. The exchange "" has each queue under its own name.
    ///
    /// # Errors
    /// [`BrokerError::NoQueue`] if it has to be [routed](Route::Required) and is not. Or the session is over; it is
    /// not known then whether the message was published.
    async fn publish(&self, to: Address<'_>, message: &Message) -> Result<(), BrokerError>;

    /// Begins to hear remote control, under the node's name.
    ///
    /// # Errors
    /// [`BrokerError::NameInUse`]: RabbitMQ has a worker of this name. Redis does not tell.
    async fn listen(&self) -> Result<(), BrokerError>;

    /// Waits for the next command of remote control, or for the next reply to a command of ours. It may be dropped.
    ///
    /// # Errors
    /// The session is over.
    async fn next_command(&self) -> Result<Message, BrokerError>;

    /// The queue, in the exchange without a name, whose messages come as commands do: where replies to our commands
    /// are sent.
    fn replies(&self) -> String;

    /// Sends a command of remote control to all workers, ourselves among them. Replies are waited for
    /// for some seconds.
    ///
    /// # Errors
    /// The session is over.
    async fn command(&self, message: &Message) -> Result<(), BrokerError>;

    /// Sends an event, `worker.heartbeat` say, to whoever listens. No confirm is waited for.
    ///
    /// # Errors
    /// The session is over.
    async fn event(&self, routing_key: &str, message: &Message) -> Result<(), BrokerError>;

    /// Waits until the session is over, and says why. May be called by many, and again.
    async fn ended(&self) -> BrokerError;

    /// Ends the session in good order. What is unsettled goes back as the module's text says.
    async fn close(&self);
}

/// Where a message is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// The exchange; the default one has no name.
    pub exchange: &'a str,
    /// The queue's name, in the default exchange.
    pub routing_key: &'a str,
    /// Whether it is an error if nobody is there.
    pub route: Route,
}

impl<'a> Address<'a> {
    /// A queue that has to be there: a task.
    pub fn queue(name: &'a str) -> Self {
        Self { exchange: "", routing_key: name, route: Route::Required }
    }

    /// The queue of somebody who may have gone: a reply, a result.
    pub fn reply(exchange: &'a str, routing_key: &'a str) -> Self {
        Self { exchange, routing_key, route: Route::Optional }
    }
}

/// Whether a message must reach a queue. On Redis the default exchange has every queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// It is an error if no queue gets it.
    Required,
    /// It may be dropped.
    Optional,
}

/// A session, shared by all who use it.
pub type SharedSession = Arc<dyn Session>;
