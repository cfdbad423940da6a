//! The connection that all parts of a session share, and the word of its end.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError,
    ServerErrorKind,
};
use tokio::time::sleep;

use super::super::ending::Ending;
use super::super::error::BrokerError;
use super::super::names::CONNECT_TIMEOUT;
use super::clock::Clock;

/// A connection to Redis that is up, or was.
pub(super) struct Link {
    pub(super) client: Client,
    connection: MultiplexedConnection,
    pub(super) db: i64,
    /// Whether Redis is older than 6.2, or does without what came with it.
    is_old: AtomicBool,
    place: String,
    pub(super) clock: Clock,
    pub(super) ending: Ending,
}

impl Link {
    /// Takes a fresh connection into use.
    pub(super) async fn open(
        client: Client,
        connection: MultiplexedConnection,
        place: String,
    ) -> Result<Arc<Self>, BrokerError> {
        let mut link = Self {
            db: client.get_connection_info().redis_settings().db(),
            ending: Ending::default(),
            is_old: AtomicBool::new(false),
            clock: Clock::new(None),
            client,
            connection,
            place,
        };
        // Some users may not ask; then it is a Redis with users, which are newer.
        let info: Result<String, _> =
            link.run("look at its version", redis::cmd("INFO").arg("server")).await;
        *link.is_old.get_mut() = info.is_ok_and(|info| is_old(&info));
        link.clock = Clock::new(link.run("ask for its time", &redis::cmd("TIME")).await.ok());
        link.ending.check()?;
        let link = Arc::new(link);
        tokio::spawn(Arc::clone(&link).ping());
        Ok(link)
    }

    /// Whether Redis has no `BLMOVE`.
    pub(super) fn is_old(&self) -> bool {
        self.is_old.load(Ordering::Relaxed)
    }

    /// Redis has said that it has no `BLMOVE`.
    pub(super) fn proves_old(&self) {
        self.is_old.store(true, Ordering::Relaxed);
    }

    /// Runs a command.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        what: &str,
        command: &Cmd,
    ) -> Result<T, BrokerError> {
        self.ending.check()?;
        let answer = command.query_async(&mut self.connection.clone()).await;
        answer.map_err(|error| self.error(what, error))
    }

    /// Runs several as one.
    pub(super) async fn run_all<T: FromRedisValue>(
        &self,
        what: &str,
        commands: &Pipeline,
    ) -> Result<T, BrokerError> {
        self.ending.check()?;
        let answer = commands.query_async(&mut self.connection.clone()).await;
        answer.map_err(|error| self.error(what, error))
    }

    /// What a failed command means.
    pub(super) fn error(&self, what: &str, error: RedisError) -> BrokerError {
        if let Err(end) = self.ending.check() {
            return end;
        }
        if let Some(end) = ending(&error) {
            self.ending.with(end.clone());
            return end;
        }
        BrokerError::Refused { what: what.to_owned(), source: Arc::new(error) }
    }

    /// Finds out when the other end is gone without a word.
    async fn ping(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = sleep(PING_EVERY) => {}
                _ = self.ending.comes() => return,
            }
            // An error has been noted.
            let _: Result<String, _> = self.run("answer", &redis::cmd("PING")).await;
        }
    }
}

/// The error that ends the session, if it is one of those.
fn ending(error: &RedisError) -> Option<BrokerError> {
    if error.is_timeout() {
        return Some(BrokerError::Silent(ANSWER_TIMEOUT.as_secs()));
    }
    let lost = error.is_unrecoverable_error()
        || error.is_connection_dropped()
        || error.is_io_error()
        || matches!(
            error.kind(),
            // It is being restarted, or another is the master now: to be looked for anew.
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ClusterDown
            )
        );
    lost.then(|| BrokerError::Lost(Arc::new(error.clone())))
}

/// How connections are made. A command that is not answered in time ends the session.
pub(super) fn config(answer: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(answer))
}

/// Whether `BLMOVE` is not there yet.
fn is_old(info: &str) -> bool {
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let mut numbers = version.unwrap_or("7.0").split('.').map(|number| number.parse::<u32>());
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or_default();
    (next(), next()) < (6, 2)
}

/// The tags of messages that may have been taken by a command whose answer never came. The next session puts them back:
/// otherwise they would wait for the visibility timeout.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Orphans(Arc<Mutex<Vec<String>>>);

impl Orphans {
    pub(super) fn add(&self, tag: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tag);
    }

    pub(super) fn remove_all(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// With the time for an answer, a connection that is half open is found within 45 seconds.
pub(super) const PING_EVERY: Duration = Duration::from_secs(15);

/// How long any command may take.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Link");
        shown.field("place", &self.place).field("db", &self.db).field("ending", &self.ending);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::is_old;

    #[test]
    fn a_redis_before_6_2_is_old() {
        let info = |version: &str| format!("# Server\r\nredis_version:{version}\r\nos:Linux\r\n");
        for (version, old) in [
            ("5.0.7", true),
            ("6.0.16", true),
            ("6.2.0", false),
            ("7.0.15", false),
            ("10.1", false),
        ] {
            assert_eq!(is_old(&info(version)), old, "{version}");
        }
        assert!(!is_old("nothing of it"));
    }
}
