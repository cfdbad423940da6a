//! Waiting until there is something in any of several lists.
//!
//! Redis can wait for many lists only by a command that takes the message, and a death before the message is noted as
//! ours would lose it. `BLMOVE list list RIGHT RIGHT` waits for one list, and moves its last element onto its own place.
//! So each list has a connection that waits, four of them for a queue, one for each priority.
//!
//! Before Redis 6.2 there is only `BRPOPLPUSH list list`. It makes the first message the last one, which is no change
//! where it is the only one; and it is, unless several were sent in one step. So do servers that do without `BLMOVE`,
//! whatever version they name, and those whose administrator has kept it from us: who refuses it is not asked again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::debug;

use super::super::error::BrokerError;
use super::link::{Link, config};

/// The lists that are waited for.
pub(super) struct Waits {
    link: Arc<Link>,
    /// One of the lists has something.
    ready: Arc<Notify>,
    lists: Mutex<HashMap<String, Wait>>,
}

/// One list.
#[derive(Default)]
struct Wait {
    /// Its connection, kept from one wait to the next.
    connection: Arc<tokio::sync::Mutex<Option<MultiplexedConnection>>>,
    /// The wait that is under way, or has ended.
    task: Option<JoinHandle<()>>,
}

impl Waits {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, ready: Arc::default(), lists: Mutex::default() }
    }

    /// Waits until there is something in one of the lists, or was: another may have taken it.
    pub(super) async fn wait(&self, lists: Vec<String>) {
        let mut ready = std::pin::pin!(self.ready.notified());
        // What is found between here and the await counts.
        ready.as_mut().enable();
        for list in lists {
            self.begin(list);
        }
        ready.await;
    }

    /// Ends the waits for all other lists.
    pub(super) fn only(&self, lists: &[String]) {
        self.lists().retain(|list, wait| {
            let kept = lists.contains(list);
            if let (false, Some(task)) = (kept, &wait.task) {
                task.abort();
            }
            kept
        });
    }

    /// Begins to wait for a list, unless that is under way.
    fn begin(&self, list: String) {
        let mut lists = self.lists();
        let wait = lists.entry(list.clone()).or_default();
        if wait.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (link, ready) = (Arc::clone(&self.link), Arc::clone(&self.ready));
        let connection = Arc::clone(&wait.connection);
        wait.task = Some(tokio::spawn(async move {
            tokio::select! {
                found = until_found(&link, &connection, &list) => {
                    if let Err(error) = found {
                        link.ending.with(error);
                    }
                    ready.notify_waiters();
                }
                _ = link.ending.comes() => {}
            }
        }));
    }

    fn lists(&self) -> std::sync::MutexGuard<'_, HashMap<String, Wait>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.only(&[]);
    }
}

/// Waits until there is something in the list.
async fn until_found(
    link: &Link,
    kept: &tokio::sync::Mutex<Option<MultiplexedConnection>>,
    list: &str,
) -> Result<(), BrokerError> {
    let lost = |error| match link.error("wait for a message", error) {
        // Nothing would ever be found: a new session tries again.
        BrokerError::Refused { source, .. } => BrokerError::Lost(source),
        error => error,
    };
    let mut kept = kept.lock().await;
    let connection = match kept.as_mut() {
        Some(connection) => connection,
        None => {
            let answer = WAIT.saturating_add(ANSWER_AFTER);
            let made =
                link.client.get_multiplexed_async_connection_with_config(&config(answer)).await;
            kept.insert(made.map_err(lost)?)
        }
    };
    loop {
        let is_old = link.is_old();
        let found: Result<Option<redis::Value>, _> =
            wait_command(list, is_old).query_async(connection).await;
        match found {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) if !is_old && is_not_there(&error) => {
                debug!("there is no BLMOVE, and BRPOPLPUSH takes its place: {error}");
                link.proves_old();
            }
            Err(error) => return Err(lost(error)),
        }
    }
}

/// Whether there is no such command, or none for this user.
fn is_not_there(error: &RedisError) -> bool {
    let is_unknown = || error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm)) || is_unknown()
}

fn wait_command(list: &str, is_old: bool) -> redis::Cmd {
    let mut command = redis::cmd(if is_old { "BRPOPLPUSH" } else { "BLMOVE" });
    command.arg(list).arg(list);
    if !is_old {
        command.arg("RIGHT").arg("RIGHT");
    }
    command.arg(WAIT.as_secs());
    command
}

/// How long Redis waits before it says that there was nothing.
const WAIT: Duration = Duration::from_secs(25);

/// How long it may be silent beyond that. A connection that is half open is found within the sum.
const ANSWER_AFTER: Duration = Duration::from_secs(20);
