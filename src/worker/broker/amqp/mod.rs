//! RabbitMQ, over AMQP 0-9-1.
//!
//! - `connect` makes the connection; `link` is the connection, shared by all that follow;
//! - `declare` looks for queues and exchanges, and makes those that are not there;
//! - `slot` takes messages, `settle` gives them their end, `publish` sends new ones;
//! - `control` hears remote control; `properties` translates between AMQP and Celery.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::delivery::{Delivery, End, Settled};
use super::error::BrokerError;
use super::settings::Settings;
use super::{Address, Session, SharedSession, take};
use crate::worker::celery::Message;
use crate::worker::url::AmqpUrl;

mod connect;
mod control;
mod declare;
mod link;
mod properties;
mod publish;
mod settle;
mod slot;
mod wire;

/// Connects to a RabbitMQ.
///
/// # Errors
/// Nobody answers, the login or the vhost is refused, TLS fails.
pub async fn connect(url: &AmqpUrl, settings: &Settings) -> Result<SharedSession, BrokerError> {
    let link = connect::connect(url, settings).await?;
    Ok(Arc::new(AmqpSession {
        slots: slot::Slots::new(Arc::clone(&link)),
        control: control::Control::new(settings.hostname.clone()),
        link,
    }))
}

/// A connection to RabbitMQ.
struct AmqpSession {
    link: Arc<link::Link>,
    slots: Arc<slot::Slots>,
    control: control::Control,
}

#[async_trait]
impl Session for AmqpSession {
    async fn declare(&self, queue: &str) -> Result<(), BrokerError> {
        declare::queue(&self.link, queue).await
    }

    fn serve(&self, queues: &[String]) {
        self.slots.serve(queues);
    }

    async fn take(&self) -> Result<Delivery, BrokerError> {
        take::take(&self.slots).await
    }

    async fn ack(&self, delivery: &Delivery) -> Result<Settled, BrokerError> {
        self.slots.ack(delivery).await
    }

    async fn give_back(&self, delivery: &Delivery, end: End) -> Result<Settled, BrokerError> {
        match end {
            End::Head => self.slots.requeue(delivery).await,
            End::Unseen => self.slots.put_back_unseen(delivery).await,
            End::Tail => self.slots.pass_on(delivery, delivery.queue()).await,
        }
    }

    async fn pass_on(&self, delivery: &Delivery, queue: &str) -> Result<Settled, BrokerError> {
        self.slots.pass_on(delivery, queue).await
    }

    async fn renew(&self, delivery: &Delivery) -> Result<Settled, BrokerError> {
        self.slots.renew(delivery)
    }

    async fn publish(&self, to: Address<'_>, message: &Message) -> Result<(), BrokerError> {
        publish::publish(&self.link, to, message).await
    }

    async fn listen(&self) -> Result<(), BrokerError> {
        self.control.listen(&self.link).await
    }

    async fn next_command(&self) -> Result<Message, BrokerError> {
        self.control.next_command(&self.link).await
    }

    fn replies(&self) -> String {
        self.control.queue()
    }

    async fn command(&self, message: &Message) -> Result<(), BrokerError> {
        publish::command(&self.link, message).await
    }

    async fn event(&self, routing_key: &str, message: &Message) -> Result<(), BrokerError> {
        publish::event(&self.link, routing_key, message).await
    }

    async fn ended(&self) -> BrokerError {
        self.link.ending.comes().await
    }

    async fn close(&self) {
        self.link.close().await;
    }
}

impl Drop for AmqpSession {
    /// Deliveries that somebody still has must not keep the connection: their messages are RabbitMQ's again.
    fn drop(&mut self) {
        self.link.ending.with(BrokerError::Closed);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let link = Arc::clone(&self.link);
            runtime.spawn(async move { link.close().await });
        }
    }
}

impl fmt::Debug for AmqpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpSession").field("link", &self.link).finish_non_exhaustive()
    }
}
