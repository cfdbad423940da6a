//! Celery's protocol, version 2: data and decisions, without I/O.
//!
//! A [`Message`] is what a broker carries. On RabbitMQ its parts are AMQP's own; on Redis it is an
//! [`Envelope`]. [`Message::task`] makes a [`Task`] of it, or says why it cannot be read
//! ([`Unreadable`]).
//!
//! A [`Request`] is a command of remote control, a [`TaskEvent`] or [`WorkerEvent`] what is told to who
//! watches. [`Revoked`] is the set of ids that are not to run.
//!
//! Nothing here reads a clock or makes an id: the caller passes both in.

mod control;
mod envelope;
mod event;
mod message;
mod revoked;
#[cfg(test)]
mod samples;

pub use control::{Request, Signal, Verb, hello};
pub use envelope::{BadEnvelope, Delivery, Envelope};
pub use event::{HEARTBEAT, Load, TaskEvent, Teller, WorkerEvent};
pub use message::{Message, Properties};
pub use revoked::Revoked;
