//! The names and numbers that kombu and Celery give to things, for both brokers.

use std::time::Duration;

/// The exchange of remote control: a fan-out to all workers.
pub(super) const CONTROL: &str = "celery.pidbox";

/// The exchange of replies to it.
pub(super) const REPLIES: &str = "reply.celery.pidbox";

/// The exchange of events.
pub(super) const EVENTS: &str = "celeryev";

/// The queue in which a worker hears remote control.
pub(super) fn control_queue(hostname: &str) -> String {
    format!("{hostname}.{CONTROL}")
}

/// The arguments of that queue, in milliseconds: how long it outlives its worker, and how long a command waits.
pub(super) const CONTROL_QUEUE_EXPIRES: i32 = 10_000;
pub(super) const CONTROL_MESSAGE_TTL: i32 = 300_000;

/// How long a connection may take to be made, all its handshakes included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
