//! Publishing: tasks and replies with a confirm, events without.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind};
use tokio::sync::Mutex;

use super::super::error::BrokerError;
use super::super::names::{CONTROL, EVENTS};
use super::super::{Address, Route};
use super::declare;
use super::link::Link;
use super::properties::{basic_properties, short};
use crate::worker::celery::Message;

/// The channels on which we publish, made when they are first needed. A refusal closes a channel; the next message
/// gets a new one.
#[derive(Default)]
pub(super) struct Publishers {
    confirmed: Mutex<Option<Channel>>,
    events: Mutex<Option<Channel>>,
    commands: Mutex<Option<Channel>>,
}

/// Publishes a message that we made, and waits for the confirm.
pub(super) async fn publish(
    link: &Link,
    to: Address<'_>,
    message: &Message,
) -> Result<(), BrokerError> {
    publish_as(link, to, &message.body, basic_properties(message)?).await
}

/// Publishes a body with properties, and waits for the confirm.
pub(super) async fn publish_as(
    link: &Link,
    to: Address<'_>,
    body: &[u8],
    properties: BasicProperties,
) -> Result<(), BrokerError> {
    link.ending.check()?;
    let what = || format!("publish to `{}`", to.routing_key);
    let channel = confirmed(link).await?;
    let options = BasicPublishOptions {
        mandatory: to.route == Route::Required,
        ..BasicPublishOptions::default()
    };
    let (exchange, routing_key) = (short(to.exchange)?, short(to.routing_key)?);
    let sent = channel.basic_publish(exchange, routing_key, options, body, properties).await;
    let confirm = sent.map_err(|error| link.error(what(), error))?;
    match confirm.await.map_err(|error| link.error(what(), error))? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(BrokerError::NoQueue(to.routing_key.to_owned())),
        Confirmation::Nack(_) => Err(BrokerError::Refused {
            what: what(),
            source: std::sync::Arc::new(std::io::Error::other("the queue is full, or has failed")),
        }),
        Confirmation::NotRequested => Err(BrokerError::Bug("a channel without confirms")),
    }
}

/// Sends an event.
pub(super) async fn event(
    link: &Link,
    routing_key: &str,
    message: &Message,
) -> Result<(), BrokerError> {
    let channel =
        unconfirmed(link, &link.publishers.events, EVENTS, ExchangeKind::Topic, true).await?;
    send(link, &channel, EVENTS, routing_key, message).await
}

/// Sends a command to all workers.
pub(super) async fn command(link: &Link, message: &Message) -> Result<(), BrokerError> {
    let channel =
        unconfirmed(link, &link.publishers.commands, CONTROL, ExchangeKind::Fanout, false).await?;
    send(link, &channel, CONTROL, "", message).await
}

async fn send(
    link: &Link,
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    message: &Message,
) -> Result<(), BrokerError> {
    let sent = channel.basic_publish(
        short(exchange)?,
        short(routing_key)?,
        BasicPublishOptions::default(),
        &message.body,
        basic_properties(message)?,
    );
    let sent = sent.await.map_err(|error| link.error(format!("publish to `{exchange}`"), error));
    sent.map(drop)
}

async fn confirmed(link: &Link) -> Result<Channel, BrokerError> {
    let mut kept = link.publishers.confirmed.lock().await;
    if let Some(channel) = kept.as_ref().filter(|channel| channel.status().connected()) {
        return Ok(channel.clone());
    }
    let channel = link.channel().await?;
    let selected = channel.confirm_select(ConfirmSelectOptions::default()).await;
    selected.map_err(|error| link.error("select confirms", error))?;
    Ok(kept.insert(channel).clone())
}

async fn unconfirmed(
    link: &Link,
    kept: &Mutex<Option<Channel>>,
    exchange: &str,
    kind: ExchangeKind,
    durable: bool,
) -> Result<Channel, BrokerError> {
    link.ending.check()?;
    let mut kept = kept.lock().await;
    if let Some(channel) = kept.as_ref().filter(|channel| channel.status().connected()) {
        return Ok(channel.clone());
    }
    declare::exchange(link, exchange, kind, durable).await?;
    Ok(kept.insert(link.channel().await?).clone())
}
