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
mod embed;
mod envelope;
mod event;
mod file;
mod follow;
mod inflate;
mod message;
mod pattern;
mod pickle;
mod question;
mod result;
mod revoked;
#[cfg(test)]
mod samples;
mod task;
mod time;

pub(in crate::worker) use time::{iso, parse as parse_time};

pub use control::{Hello, Request, Signal, Verb};
pub use embed::{Embed, Signature};
pub use envelope::{BadEnvelope, Delivery, Envelope};
pub use event::{HEARTBEAT, Load, TaskEvent, Teller, WorkerEvent};
pub use file::decoded;
pub use follow::{Fellow, Follower, JobForm, Predecessor};
pub use message::{Message, Properties};
pub use pickle::PickleError;
pub use question::{Known, Question};
pub use result::{Meta, PythonError, Status};
pub use revoked::Revoked;
pub use task::{GirderHeaders, Head, Problem, Task, TimeLimit, Unreadable};
