//! Celery's protocol, version 2: data and decisions, without I/O.
//!
//! A [`Message`] is what a broker carries. On RabbitMQ its parts are AMQP's own; on Redis it is an
//! [`Envelope`]. [`Message::task`] makes a [`Task`] of it, or says why it cannot be read
//! ([`Unreadable`]).
//!
//! Nothing here reads a clock or makes an id: the caller passes both in.

mod envelope;
mod message;
#[cfg(test)]
mod samples;

pub use envelope::{BadEnvelope, Delivery, Envelope};
pub use message::{Message, Properties};
