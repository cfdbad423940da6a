//! The Celery worker: it takes the messages that `docker_run.delay(…)` sends, and runs them.
//!
//! [`Worker::run`] is the whole of it: one process, one [`Runner`] whose runs share a pump, and one
//! thread with a current-thread runtime for everything else. Each run has a thread of its own.
//!
//! - [`celery`] is Celery's protocol: what messages, results, events and remote control look like. No
//!   I/O, no clock.
//! - [`broker`] takes messages from RabbitMQ or Redis, and gives them their end; [`url`] reads the
//!   addresses of brokers and result stores as kombu does. `connection` keeps the worker connected.
//! - A `slot` takes a message and lives through its `job`; there are as many as jobs may run at once.
//!   `others` decides when a message that is not ours goes back.
//! - `outbox` holds what waits to be told to the broker; `telling` and `commands` are what is told
//!   unasked and asked. `ended` is the table of what Girder and Celery are told of an end.
//! - `state_file` is what a worker remembers over its own end, `http` and `metrics` what it shows of
//!   itself, `systemd` what it tells systemd.
//!
//! # What is guaranteed
//!
//! - A message is ours until it is acknowledged, and comes again if the worker dies before. It is
//!   acknowledged when Girder knows that its job runs, or, with `acks_late`, when its result is out.
//! - What Girder says about a job goes before what the message asks for: a job that was cancelled, has
//!   ended or was deleted starts no container.
//! - Girder has the whole log and the last status before the result is told.
//! - A job goes on while broker or Girder are away; what is to be told waits in its order.
//! - Messages of other tasks are somebody else's: they are never acknowledged unread, and stay in
//!   their queue or go to the one that is named for them.

pub mod broker;
pub mod celery;
mod commands;
mod connection;
mod due;
mod ended;
mod held;
mod http;
mod job;
mod life;
mod metrics;
mod node;
mod others;
mod outbox;
mod settings;
mod slot;
mod state;
mod state_file;
mod systemd;
mod taken;
mod telling;
#[cfg(test)]
mod tests;
pub mod url;

pub use life::{Worker, WorkerError};
#[cfg(feature = "command")]
pub(crate) use settings::GIRDERS_OWN;
pub use settings::WorkerSettings;
