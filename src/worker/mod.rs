//! The Celery worker: it takes the messages that `docker_run.delay(…)` sends, and runs them.
//!
//! - [`broker`] takes messages from RabbitMQ or Redis, and gives them their end.
//! - [`celery`] is Celery's protocol: what messages, results, events and remote control look like. No
//!   I/O, no clock.
//! - [`url`] reads the addresses of brokers and result stores as kombu does.

pub mod broker;
pub mod celery;
pub mod url;
