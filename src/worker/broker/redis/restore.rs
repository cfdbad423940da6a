//! Puts back what somebody took and has held for too long, as every kombu process does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};
use uuid::Uuid;

use super::super::error::BrokerError;
use super::element::redelivered;
use super::keys::{UNACKED, UNACKED_INDEX, UNACKED_MUTEX, bindings, bound, list};
use super::link::{Link, Orphans};
use super::scripts::{RESTORE, UNLOCK};
use crate::worker::celery::Envelope;

/// Restores again and again until the session is over.
pub(super) fn keep_restoring(link: Arc<Link>, visibility_timeout: Duration) {
    let pause = (visibility_timeout / 3).clamp(Duration::from_secs(1), LONGEST_PAUSE);
    tokio::spawn(async move {
        let mut next = Instant::now();
        loop {
            if let Err(error) = restore_overdue(&link, visibility_timeout).await {
                if error.ends_session() {
                    return;
                }
                warn!("cannot put back what others held for too long: {error}");
            }
            next += pause;
            tokio::select! {
                () = sleep_until(next) => {}
                _ = link.ending.comes() => return,
            }
        }
    });
}

/// Puts back what an earlier session of ours may have taken without knowing.
pub(super) async fn restore_orphans(link: &Link, orphans: &Orphans) -> Result<(), BrokerError> {
    let mut tags = orphans.remove_all().into_iter();
    while let Some(tag) = tags.next() {
        if let Err(error) = restore(link, &tag, f64::INFINITY).await {
            orphans.add(tag);
            tags.for_each(|tag| orphans.add(tag));
            return Err(error);
        }
    }
    Ok(())
}

/// Under kombu's lock, so that not all workers do it at once. The lock is not needed for more: a message is moved
/// only as long as it is noted as it was seen.
async fn restore_overdue(link: &Link, visibility_timeout: Duration) -> Result<(), BrokerError> {
    let lock = Uuid::new_v4().to_string();
    let mut command = redis::cmd("SET");
    command.arg(UNACKED_MUTEX).arg(&lock).arg("NX").arg("PX").arg(LOCK_MS);
    let locked: Option<String> = link.run("lock what is unacknowledged", &command).await?;
    if locked.is_none() {
        return Ok(());
    }
    let latest = link.clock.earliest() - visibility_timeout.as_secs_f64();
    let restored = restore_older(link, latest).await;
    let mut command = redis::cmd("EVAL");
    command.arg(UNLOCK).arg(1).arg(UNACKED_MUTEX).arg(&lock);
    let unlocked: Result<u64, _> = link.run("unlock what is unacknowledged", &command).await;
    restored?;
    unlocked.map(drop)
}

async fn restore_older(link: &Link, than: f64) -> Result<(), BrokerError> {
    // Not ZRANGE … BYSCORE, which is there from 6.2 on.
    let mut command = redis::cmd("ZREVRANGEBYSCORE");
    command.arg(UNACKED_INDEX).arg(than).arg(0);
    let tags: Vec<String> = link.run("look for what is overdue", &command).await?;
    for tag in tags {
        restore(link, &tag, than).await?;
    }
    Ok(())
}

/// Puts a message back at the head, if it was noted before `latest` and is noted still.
async fn restore(link: &Link, tag: &str, latest: f64) -> Result<(), BrokerError> {
    let mut command = redis::cmd("HGET");
    command.arg(UNACKED).arg(tag);
    let element: Option<Vec<u8>> = link.run("look at what is overdue", &command).await?;
    let Some(element) = element else { return Ok(()) };
    let noted: Result<(Box<RawValue>, Option<String>, Option<String>), _> =
        serde_json::from_slice(&element);
    let Ok((message, exchange, routing_key)) = noted else {
        warn!("what is noted as unacknowledged under {tag} is no message: it stays there");
        return Ok(());
    };
    let message = message.get().as_bytes();
    let priority = Envelope::parse(message).ok().and_then(|it| it.message.properties.priority);
    let routing_key = routing_key.unwrap_or_default();
    let queues = queues(link, &exchange.unwrap_or_default(), &routing_key).await?;
    let mut command = redis::cmd("EVAL");
    command.arg(RESTORE).arg(2 + queues.len()).arg(UNACKED_INDEX).arg(UNACKED);
    for queue in &queues {
        command.arg(list(queue, priority.unwrap_or_default()));
    }
    let latest = if latest.is_finite() { latest.to_string() } else { "inf".to_owned() };
    command.arg(tag).arg(&element).arg(latest).arg(redelivered(message));
    let moved: u64 = link.run("put back what is overdue", &command).await?;
    if moved > 0 {
        info!("put back into `{routing_key}` what a worker has held for too long");
    }
    Ok(())
}

/// Where it was sent. If nothing is bound any more kombu drops the message; we keep it where its routing key says.
async fn queues(
    link: &Link,
    exchange: &str,
    routing_key: &str,
) -> Result<Vec<String>, BrokerError> {
    if !exchange.is_empty() {
        let queues = bound_queues(link, exchange, routing_key).await?;
        if !queues.is_empty() {
            return Ok(queues);
        }
    }
    Ok(vec![routing_key.to_owned()])
}

/// The queues that an exchange has for a routing key.
pub(super) async fn bound_queues(
    link: &Link,
    exchange: &str,
    routing_key: &str,
) -> Result<Vec<String>, BrokerError> {
    let [table, _] = bindings(exchange);
    let members: Vec<String> =
        link.run("look at the bindings", redis::cmd("SMEMBERS").arg(table)).await?;
    Ok(members.iter().filter_map(|member| bound(member, routing_key)).map(str::to_owned).collect())
}

/// kombu looks every 100 seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(100);

/// After which a lock that nobody gave up is free: its owner was killed, or lost its connection. kombu waits five
/// minutes, in which nobody puts anything back.
const LOCK_MS: u64 = 10_000;
