//! Where results go: to the sender, into a Redis, or nowhere.

use std::path::Path;
use std::sync::Arc;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::error::BrokerError;
use super::names::CONNECT_TIMEOUT;
use super::{Address, Session, redis as broker_redis};
use crate::worker::celery::Message;
use crate::worker::url::{Backend, RedisUrl};

/// The end of a task, as its sender will read it.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// The task's id.
    pub task_id: &'a str,
    /// The queue in which the sender waits, if it does: the message's own `reply_to`.
    pub reply_to: Option<&'a str>,
    /// Celery's record: status, result, and so on.
    pub meta: &'a Value,
}

/// What may be written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Over {
    /// Anything but a success.
    NoSuccess,
    /// Nothing: only if there is no result yet.
    Nothing,
}

/// What came of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Stored {
    /// It is where it should be, or the sender was sent it.
    Yes,
    /// There was one that must not be written over.
    Kept,
    /// Nobody wants it.
    Nowhere,
}

/// A place for results.
#[derive(Debug)]
#[non_exhaustive]
pub enum Results {
    /// A message to the sender's queue, by the session that is up.
    Rpc,
    /// Records in a Redis, which may be another one than the broker.
    Redis(Box<RedisResults>),
    /// No results.
    Disabled,
}

impl Results {
    /// The place that an address names. Nothing is connected yet.
    ///
    /// # Errors
    /// A file that the address names cannot be read.
    pub fn new(backend: &Backend, ca_file: Option<&Path>) -> Result<Self, BrokerError> {
        match backend {
            Backend::Rpc => Ok(Self::Rpc),
            Backend::Redis(url) => Ok(Self::Redis(Box::new(RedisResults::new(url, ca_file)?))),
            Backend::Disabled => Ok(Self::Disabled),
        }
    }

    /// Writes or sends a result. It may be tried again after an error, with the next session.
    ///
    /// # Errors
    /// The broker or the store is not there; of the store it is [`BrokerError::Results`].
    pub async fn store(
        &self,
        session: &dyn Session,
        outcome: Outcome<'_>,
        over: Over,
    ) -> Result<Stored, BrokerError> {
        match (self, outcome.reply_to) {
            (Self::Redis(store), _) => store.store(outcome, over).await,
            (Self::Rpc, Some(reply_to)) if over == Over::NoSuccess => {
                let to = Address::reply("", reply_to);
                session.publish(to, &result_message(outcome)).await.map(|()| Stored::Yes)
            }
            (Self::Rpc, _) | (Self::Disabled, _) => Ok(Stored::Nowhere),
        }
    }

    /// Whether somebody has told the end of a task already; `None` if nobody can know, or the place is away.
    pub async fn have(&self, task_id: &str) -> Option<bool> {
        let Self::Redis(store) = self else { return None };
        match store.record(task_id).await {
            Ok(record) => Some(record.is_some_and(|record| is_end(&record))),
            Err(error) => {
                tracing::debug!(%error, "cannot look for a result");
                None
            }
        }
    }
}

/// A result as a message: lost with the broker, as Celery sends it.
fn result_message(outcome: Outcome<'_>) -> Message {
    let mut message = Message::json(Map::new(), outcome.meta);
    message.properties.correlation_id = Some(outcome.task_id.to_owned());
    message.properties.delivery_mode = Some(1);
    message
}

/// Records in a Redis. It connects when there is something to write, and anew after an error.
#[derive(Debug)]
pub struct RedisResults {
    client: redis::Client,
    place: String,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl RedisResults {
    fn new(url: &RedisUrl, ca_file: Option<&Path>) -> Result<Self, BrokerError> {
        let client = broker_redis::client(url, ca_file)?;
        Ok(Self { client, place: url.place(), connection: Mutex::default() })
    }

    /// Writes a record as Celery does: it is kept for a day, and who waits for it is told.
    async fn store(&self, outcome: Outcome<'_>, over: Over) -> Result<Stored, BrokerError> {
        let mut connection = self.connection().await?;
        let stored = write(&mut connection, outcome, over).await;
        if stored.is_err() {
            self.connection.lock().await.take();
        }
        stored.map_err(|error| self.unusable(&error))
    }

    /// The record of a task, if there is one.
    async fn record(&self, task_id: &str) -> Result<Option<Vec<u8>>, BrokerError> {
        let mut connection = self.connection().await?;
        let mut get = redis::cmd("GET");
        let record = get.arg(key_of(task_id)).query_async(&mut connection).await;
        if record.is_err() {
            self.connection.lock().await.take();
        }
        record.map_err(|error| self.unusable(&error))
    }

    async fn connection(&self) -> Result<MultiplexedConnection, BrokerError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref() {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CONNECT_TIMEOUT));
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let made = made.map_err(|error| self.unusable(&error))?;
        Ok(kept.insert(made).clone())
    }

    fn unusable(&self, error: &redis::RedisError) -> BrokerError {
        // Its own words are its cause's words: as text they are said once.
        let source = Arc::from(Box::from(error.to_string()));
        BrokerError::Results { place: self.place.clone(), source }
    }
}

async fn write(
    connection: &mut MultiplexedConnection,
    outcome: Outcome<'_>,
    over: Over,
) -> redis::RedisResult<Stored> {
    let key = key_of(outcome.task_id);
    let record = outcome.meta.to_string();
    if over == Over::Nothing {
        // In one step: whoever runs the task may have a result at any moment.
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(&record).arg("EX").arg(KEPT_SECONDS).arg("NX");
        let set: Option<String> = set.query_async(connection).await?;
        if set.is_none() {
            return Ok(Stored::Kept);
        }
        let told = redis::cmd("PUBLISH").arg(&key).arg(&record).query_async(connection).await;
        let _listeners: u64 = told?;
        return Ok(Stored::Yes);
    }
    let before: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query_async(connection).await?;
    if before.is_some_and(|record| is_success(&record)) {
        return Ok(Stored::Kept);
    }
    let mut both = redis::pipe();
    both.atomic().set_ex(&key, &record, KEPT_SECONDS).ignore().publish(&key, &record).ignore();
    let () = both.query_async(connection).await?;
    Ok(Stored::Yes)
}

fn key_of(task_id: &str) -> String {
    format!("celery-task-meta-{task_id}")
}

fn is_success(record: &[u8]) -> bool {
    status_of(record) == "SUCCESS"
}

/// Whether nothing comes after it.
fn is_end(record: &[u8]) -> bool {
    ["SUCCESS", "FAILURE", "REVOKED"].contains(&status_of(record).as_str())
}

fn status_of(record: &[u8]) -> String {
    let record: Result<Value, _> = serde_json::from_slice(record);
    record.ok().and_then(|record| record["status"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// Celery's `result_expires`.
const KEPT_SECONDS: u64 = 86_400;
