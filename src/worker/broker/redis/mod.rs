//! Redis, as kombu's transport uses it.
//!
//! - `connect` makes the connection; `link` is the connection, shared by all that follow;
//! - `keys` names lists and tables; `scripts` has what must happen in one step;
//! - `take` takes messages, `wait` waits for them, `settle` gives them their end, `restore` puts back what others have
//!   held for too long;
//! - `publish` sends new ones, `control` hears remote control, `element` changes a message without touching
//!   the rest of it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::delivery::{Delivery, End, Settled};
use super::error::BrokerError;
use super::settings::Settings;
use super::{Address, Session, SharedSession};
use crate::worker::celery::Message;
use crate::worker::url::RedisUrl;

mod clock;
mod connect;
mod control;
mod element;
mod keys;
mod link;
mod publish;
mod restore;
mod scripts;
mod settle;
mod take;
mod wait;

pub(super) use connect::client;
pub(super) use link::Orphans;

/// Connects to a Redis.
///
/// # Errors
/// Nobody answers, the login or the database is refused, TLS fails.
pub async fn connect(url: &RedisUrl, settings: &Settings) -> Result<SharedSession, BrokerError> {
    let link = connect::connect(url, settings).await?;
    restore::restore_orphans(&link, &settings.orphans).await?;
    restore::keep_restoring(Arc::clone(&link), settings.visibility_timeout);
    Ok(Arc::new(RedisSession {
        slots: take::Slots::new(Arc::clone(&link), settings.orphans.clone()),
        control: control::Control::default(),
        link,
    }))
}

/// A connection to Redis; in truth several, since one that waits can do nothing else.
struct RedisSession {
    link: Arc<link::Link>,
    slots: Arc<take::Slots>,
    control: control::Control,
}

#[async_trait]
impl Session for RedisSession {
    async fn declare(&self, queue: &str) -> Result<(), BrokerError> {
        publish::declare(&self.link, queue).await
    }

    fn serve(&self, queues: &[String]) {
        self.slots.serve(queues);
    }

    async fn take(&self) -> Result<Delivery, BrokerError> {
        super::take::take(&self.slots).await
    }

    async fn ack(&self, delivery: &Delivery) -> Result<Settled, BrokerError> {
        settle::ack(&self.link, delivery).await
    }

    async fn give_back(&self, delivery: &Delivery, end: End) -> Result<Settled, BrokerError> {
        settle::give_back(&self.link, delivery, end).await
    }

    async fn pass_on(&self, delivery: &Delivery, queue: &str) -> Result<Settled, BrokerError> {
        settle::pass_on(&self.link, delivery, queue).await
    }

    async fn renew(&self, delivery: &Delivery) -> Result<Settled, BrokerError> {
        settle::renew(&self.link, delivery).await
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
        self.control.replies.clone()
    }

    async fn command(&self, message: &Message) -> Result<(), BrokerError> {
        publish::command(&self.link, message).await?;
        self.control.hear_replies(&self.link).await;
        Ok(())
    }

    async fn event(&self, routing_key: &str, message: &Message) -> Result<(), BrokerError> {
        publish::event(&self.link, routing_key, message).await
    }

    async fn ended(&self) -> BrokerError {
        self.link.ending.comes().await
    }

    async fn close(&self) {
        self.link.ending.with(BrokerError::Closed);
    }
}

impl Drop for RedisSession {
    fn drop(&mut self) {
        self.link.ending.with(BrokerError::Closed);
    }
}

impl fmt::Debug for RedisSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSession").field("link", &self.link).finish_non_exhaustive()
    }
}
