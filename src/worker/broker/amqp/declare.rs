//! Queues and exchanges: looked for first, and made only where they are not.
//!
//! To declare what is there with other arguments than it has is an error that closes the channel. Who runs the
//! broker may have made a queue with priorities, or a quorum queue: it is taken as it is.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};

use super::super::error::BrokerError;
use super::link::{Link, NOT_FOUND, code};
use super::properties::short;

/// Makes sure that a queue of tasks is there.
pub(super) async fn queue(link: &Link, name: &str) -> Result<(), BrokerError> {
    let what = || format!("declare the queue `{name}`");
    let queue = short(name)?;
    let channel = link.channel().await?;
    match channel.queue_declare(queue.clone(), passive(), FieldTable::default()).await {
        Ok(_) => return Ok(()),
        Err(error) if code(&error) == Some(NOT_FOUND) => {}
        Err(error) => return Err(link.error(what(), error)),
    }

    exchange(link, name, ExchangeKind::Direct, true).await?;
    let channel = link.channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.clone(), durable, FieldTable::default()).await;
    declared.map_err(|error| link.error(what(), error))?;
    bind(link, &channel, name, name, name).await
}

/// How many messages wait in a queue.
pub(super) async fn waiting(link: &Link, name: &str) -> Result<u32, BrokerError> {
    let (queue, channel) = (short(name)?, link.channel().await?);
    let found = channel.queue_declare(queue, passive(), FieldTable::default()).await;
    let found = found.map_err(|error| link.error(format!("look at the queue `{name}`"), error))?;
    Ok(found.message_count())
}

fn passive() -> QueueDeclareOptions {
    QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() }
}

/// Makes sure that an exchange is there.
pub(super) async fn exchange(
    link: &Link,
    name: &str,
    kind: ExchangeKind,
    durable: bool,
) -> Result<(), BrokerError> {
    let what = || format!("declare the exchange `{name}`");
    let options = |passive| ExchangeDeclareOptions {
        passive,
        durable: durable && !passive,
        ..ExchangeDeclareOptions::default()
    };
    let declare = async |channel: Channel, passive| {
        let name = short(name)?;
        let table = FieldTable::default();
        Ok(channel.exchange_declare(name, kind.clone(), options(passive), table).await)
    };
    match declare(link.channel().await?, true).await? {
        Ok(()) => return Ok(()),
        Err(error) if code(&error) == Some(NOT_FOUND) => {}
        Err(error) => return Err(link.error(what(), error)),
    }
    declare(link.channel().await?, false).await?.map_err(|error| link.error(what(), error))
}

/// Binds a queue to an exchange.
pub(super) async fn bind(
    link: &Link,
    channel: &Channel,
    queue: &str,
    exchange: &str,
    routing_key: &str,
) -> Result<(), BrokerError> {
    let bound = channel.queue_bind(
        short(queue)?,
        short(exchange)?,
        short(routing_key)?,
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.map_err(|error| link.error(format!("bind the queue `{queue}`"), error))
}
