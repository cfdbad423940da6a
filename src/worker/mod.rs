//! The Celery worker: it takes the messages that `docker_run.delay(…)` sends, and runs them.
//!
//! - [`celery`] is Celery's protocol: what messages, results, events and remote control look like. No
//!   I/O, no clock.
//! - [`url`] reads the addresses of brokers and result stores as kombu does.

pub mod celery;
pub mod url;
