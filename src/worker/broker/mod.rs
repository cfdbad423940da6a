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

pub mod amqp;
mod delivery;
mod ending;
mod error;
mod names;
pub mod redis;
mod results;
mod rotation;
mod session;
mod settings;
mod supervisor;
mod take;

pub use delivery::{Delivery, End, Settled};
pub use error::{BrokerError, Cause};
pub use results::{Outcome, Over, Results, Stored};
pub use session::{Address, Route, Session, SharedSession};
pub use settings::{Settings, VISIBILITY_TIMEOUT};
pub use supervisor::{State, Supervisor};
