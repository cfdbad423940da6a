//! Publishing: onto lists, or on channels where an exchange is a fan-out.

use uuid::Uuid;

use super::super::error::BrokerError;
use super::super::names::{CONTROL, EVENTS};
use super::super::{Address, Route};
use super::keys::{binding, bindings, fanout, list};
use super::link::Link;
use super::restore::bound_queues;
use crate::worker::celery::{Delivery, Envelope, Message};

/// Redis makes a list when there is something for it. What is kept of a queue is its binding to an exchange, for
/// those who publish there.
pub(super) async fn declare(link: &Link, queue: &str) -> Result<(), BrokerError> {
    let mut both = redis::pipe();
    both.atomic();
    for table in bindings(queue) {
        both.sadd(table, binding(queue, queue)).ignore();
    }
    link.run_all(&format!("declare the queue `{queue}`"), &both).await
}

pub(super) async fn publish(
    link: &Link,
    to: Address<'_>,
    message: &Message,
) -> Result<(), BrokerError> {
    let queues = match to.exchange {
        "" => vec![to.routing_key.to_owned()],
        exchange => bound_queues(link, exchange, to.routing_key).await?,
    };
    if queues.is_empty() {
        return match to.route {
            Route::Required => Err(BrokerError::NoQueue(to.routing_key.to_owned())),
            Route::Optional => Ok(()),
        };
    }
    let element = element(to.exchange, to.routing_key, message);
    let mut pushes = redis::pipe();
    pushes.atomic();
    for queue in &queues {
        let list = list(queue, message.properties.priority.unwrap_or_default());
        pushes.lpush(&list, &element).ignore();
        if to.route == Route::Optional {
            pushes.expire(&list, REPLIES_KEPT_SECONDS).ignore();
        }
    }
    link.run_all(&format!("publish to `{}`", to.routing_key), &pushes).await
}

/// Sends an event.
pub(super) async fn event(
    link: &Link,
    routing_key: &str,
    message: &Message,
) -> Result<(), BrokerError> {
    spread(link, EVENTS, routing_key, message).await
}

/// Sends a command to all workers.
pub(super) async fn command(link: &Link, message: &Message) -> Result<(), BrokerError> {
    spread(link, CONTROL, "", message).await
}

async fn spread(
    link: &Link,
    exchange: &str,
    routing_key: &str,
    message: &Message,
) -> Result<(), BrokerError> {
    let mut command = redis::cmd("PUBLISH");
    command.arg(fanout(link.db, exchange, routing_key));
    command.arg(element(exchange, routing_key, message));
    let _listeners: u64 = link.run(&format!("publish to `{exchange}`"), &command).await?;
    Ok(())
}

fn element(exchange: &str, routing_key: &str, message: &Message) -> Vec<u8> {
    let delivery = Delivery {
        exchange: exchange.to_owned(),
        routing_key: routing_key.to_owned(),
        tag: Uuid::new_v4().to_string(),
        redelivered: false,
    };
    Envelope { message: message.clone(), delivery }.to_json()
}

/// How long a reply or a result waits for somebody who may have gone: as long as Celery keeps results.
const REPLIES_KEPT_SECONDS: i64 = 86_400;
