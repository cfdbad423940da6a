//! Two brokers behind one interface: a worker drives a [`Session`] and does not know whether RabbitMQ or Redis
//! is behind it.
//!
//! # A session
//!
//! A [`Session`] is one life of a connection. It never reconnects: when it ends ([`Session::ended`]), a
//! [`Supervisor`] makes the next one, after a pause, at the next address of the list. What the broker forgets with
//! a connection (queues that were consumed, the subscription to remote control) is set up again by the owner,
//! so that it cannot be forgotten:
//!
//! ```no_run
//! # use gantline::internal::worker::{broker::{BrokerError, Settings, Supervisor}, url};
//! # async fn run(broker: url::Broker) -> Result<(), BrokerError> {
//! let mut supervisor = Supervisor::new(broker, Settings::new("gantline@host"));
//! let queues = ["celery".to_owned()];
//! loop {
//!     let session = supervisor.next_session().await?; // an error only for what waiting does not mend
//!     let ready = async {
//!         session.declare("celery").await?;
//!         session.listen().await?; // remote control comes from now on
//!         session.serve(&queues); // what `take` takes from
//!         Ok(())
//!     };
//!     if let Err(error) = ready.await {
//!         supervisor.lost(error)?;
//!         continue;
//!     }
//!     supervisor.established();
//!     let delivery = session.take().await; // once per free slot
//! #   drop(delivery);
//!     supervisor.lost(session.ended().await)?;
//! }
//! # }
//! ```
//!
//! It is all one current-thread tokio runtime's work; sessions are shared by cloning the `Arc`.
//!
//! # Taking
//!
//! - [`Session::take`] is called once for each free slot, as many at once as there are. Each gives one message, and
//!   no message is held that no `take` waits for.
//! - A `take` may be dropped at any await. What it had taken goes back to the head of its queue at once.
//! - Several queues are served in turn. Within a queue, priorities come first: on RabbitMQ 9 before 0 (where the
//!   queue has x-max-priority), on Redis kombu's steps, 0 before 3, 6, 9.
//! - A message is ours until [`Session::ack`], [`Session::give_back`] or [`Session::pass_on`]. If we, the broker or
//!   the connection die before, it comes again: from RabbitMQ when the connection is found to be gone, from Redis
//!   after the visibility timeout. If one of us dies in the middle of `give_back(Tail)` or `pass_on` on RabbitMQ,
//!   it may come twice; it never gets lost.
//! - On Redis, what is held for long is renewed ([`Session::renew`]) each third of the visibility timeout.
//!
//! # What a lost connection means for what is under way
//!
//! | operation | RabbitMQ | Redis |
//! |---|---|---|
//! | ack, give back, pass on what an earlier session took | [`Settled::Stale`], nothing is sent: the message comes again | done on the new session |
//! | an error in the middle of ack | it may come again | ask the next session: done once |
//! | an error in the middle of publish | it may have been published | it may have been published |
//!
//! A `Settled::Done` and an `Ok` of publish are the broker's own word (a confirm, or an answer that comes after it has
//! read what we sent), not only ours that it was written to a socket.
//!
//! # How the two differ inside
//!
//! *RabbitMQ* ([`amqp`]): a free slot first asks each queue for a message, then is a consumer of each with a prefetch
//! of one, on a channel of its own. It is cancelled before the message is acknowledged; otherwise the
//! acknowledgement would bring the next. What a second queue gave in the same moment goes to that queue's tail.
//!
//! *Redis* ([`redis`]): one script takes a message and notes it as unacknowledged, so that no death can fall between.
//! Waiting is a move of a list's last element onto its own place, which changes nothing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::worker::celery::Message;

pub mod amqp;
mod delivery;
mod ending;
mod error;
mod names;
mod pauses;
pub mod redis;
mod results;
mod rotation;
mod settings;
mod supervisor;
mod take;

pub use delivery::{Delivery, End, Settled};
pub use error::{BrokerError, Cause};
pub use results::{Outcome, Over, Results, Stored};
pub use settings::{Settings, VISIBILITY_TIMEOUT};
pub use supervisor::{State, Supervisor};

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
