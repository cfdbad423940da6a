//! Remote control on RabbitMQ: a queue of our own behind a fan-out.

use std::sync::Arc;

use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Consumer, ExchangeKind};
use tokio::sync::Mutex;

use super::super::error::BrokerError;
use super::super::names::{
    CONTROL, CONTROL_MESSAGE_TTL, CONTROL_QUEUE_EXPIRES, REPLIES, control_queue,
};
use super::declare::{bind, exchange};
use super::link::{Link, RESOURCE_LOCKED, code};
use super::properties::{message, short};
use crate::worker::celery::Message;

/// What a session hears of remote control.
pub(super) struct Control {
    hostname: String,
    consumer: Mutex<Option<Consumer>>,
}

impl Control {
    pub(super) fn new(hostname: String) -> Self {
        Self { hostname, consumer: Mutex::default() }
    }

    /// The name of our queue. A reply reaches it by the exchange without a name.
    pub(super) fn queue(&self) -> String {
        control_queue(&self.hostname)
    }

    /// Makes our queue with kombu's name and arguments, and consumes it. It is exclusive: RabbitMQ refuses it to a
    /// second connection, so one name is one worker.
    pub(super) async fn listen(&self, link: &Arc<Link>) -> Result<(), BrokerError> {
        let mut consumer = self.consumer.lock().await;
        exchange(link, CONTROL, ExchangeKind::Fanout, false).await?;
        exchange(link, REPLIES, ExchangeKind::Direct, false).await?;
        let name = self.queue();
        let channel = link.channel().await?;
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare(short(&name)?, options, arguments()).await;
        declared.map_err(|error| match code(&error) {
            Some(RESOURCE_LOCKED) => BrokerError::NameInUse(self.hostname.clone()),
            _ => link.error(format!("declare the queue `{name}`"), error),
        })?;
        bind(link, &channel, &name, CONTROL, "").await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumed =
            channel.basic_consume(short(&name)?, "".into(), options, FieldTable::default()).await;
        *consumer = Some(consumed.map_err(|error| link.error("hear remote control", error))?);
        Ok(())
    }

    /// The next command. When RabbitMQ ends the consumer (somebody deleted the queue), the session is given up: a
    /// worker must not become deaf without a word.
    pub(super) async fn next_command(&self, link: &Arc<Link>) -> Result<Message, BrokerError> {
        let mut consumer = self.consumer.lock().await;
        let Some(consumer) = consumer.as_mut() else {
            return Err(BrokerError::Bug("remote control is asked for before `listen`"));
        };
        match consumer.next().await {
            Some(Ok(delivery)) => Ok(message(&delivery.properties, delivery.data)),
            Some(Err(error)) => Err(link.error("hear remote control", error)),
            None => {
                link.ending.check()?;
                let why = std::io::Error::other("the queue of remote control was deleted");
                let end = BrokerError::Lost(Arc::new(why));
                link.ending.with(end.clone());
                Err(end)
            }
        }
    }
}

fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongInt(CONTROL_QUEUE_EXPIRES));
    arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(CONTROL_MESSAGE_TTL));
    arguments
}
