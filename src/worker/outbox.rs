//! What waits to be told to the broker, in its order: tasks that follow, results, acknowledgements, events.
//!
//! A job never waits for the broker: it leaves its letters here and is over. They are carried while
//! there is a session, and kept while there is none. A place for results that is away is waited for, within a bound.
//! Only events are dropped, the oldest first.
//!
//! A worker has two: what has to wait for a result waits in one, and an acknowledgement that has not goes by the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::broker::{
    Address, BrokerError, Delivery, Outcome, Over, Results, Settled, SharedSession,
};
use super::celery::Message;
use crate::backoff::Backoff;

/// What is told.
pub(super) enum Letter {
    /// A task that follows, for a queue.
    Task { exchange: String, routing_key: String, message: Box<Message> },
    /// The end of a task, for whoever waits for it.
    Result(Told),
    /// A message whose job is over will not come again.
    Ack(Rc<Delivery>),
    /// An event of the worker's or a task's.
    Event { routing_key: &'static str, message: Box<Message> },
}

/// The end of a task.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) task_id: String,
    /// Where the sender waits.
    pub(super) reply_to: Option<String>,
    pub(super) meta: serde_json::Value,
    /// What is written over.
    pub(super) over: Over,
}

/// The letters of one worker.
#[derive(Default)]
pub(super) struct Outbox {
    letters: RefCell<VecDeque<Letter>>,
    more: Notify,
    /// Told when there is none left.
    empty: watch::Sender<bool>,
}

impl Outbox {
    /// Leaves a letter.
    pub(super) fn post(&self, letter: Letter) {
        let mut letters = self.letters.borrow_mut();
        if matches!(letter, Letter::Event { .. }) && letters.len() >= MOST_WITH_EVENTS {
            let oldest = letters.iter().position(|letter| matches!(letter, Letter::Event { .. }));
            let Some(oldest) = oldest else { return };
            letters.remove(oldest);
        }
        letters.push_back(letter);
        drop(letters);
        self.empty.send_replace(false);
        self.more.notify_one();
    }

    /// Waits until every letter has been carried.
    pub(super) async fn is_empty(&self) {
        let mut empty = self.empty.subscribe();
        // The sender lives as long as this is borrowed.
        let _ = empty.wait_for(|is_empty| *is_empty).await;
    }

    /// Carries letters for ever, by whichever session there is.
    pub(super) async fn carry(
        &self,
        mut sessions: watch::Receiver<Option<SharedSession>>,
        results: &Results,
    ) {
        let mut absence = Absence::default();
        loop {
            let Some(letter) = self.letters.borrow_mut().pop_front() else {
                self.empty.send_replace(true);
                self.more.notified().await;
                continue;
            };
            // The letter is ours until it is carried: another may be posted meanwhile.
            loop {
                let Ok(session) = sessions.wait_for(Option::is_some).await.map(|it| it.clone())
                else {
                    return;
                };
                let Some(session) = session else { continue };
                match carry_one(&letter, &session, results).await {
                    Ok(()) => {
                        if matches!(letter, Letter::Result(_)) {
                            absence = Absence::default();
                        }
                        break;
                    }
                    Err(error) if error.ends_session() => {
                        tracing::debug!(%error, "kept for the next session");
                        // The supervisor's owner takes the session away when it has heard of its end.
                        if sessions.changed().await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        // Only the place for results is connected to in the middle of it.
                        if let BrokerError::Unreachable { .. } = error
                            && let Some(pause) = absence.next_pause(Instant::now())
                        {
                            tracing::debug!(%error, "kept until the place for results is back");
                            tokio::time::sleep(pause).await;
                            continue;
                        }
                        let (kind, error) = (letter.kind(), crate::run::chain(&error));
                        tracing::warn!(%error, "the broker does not take {kind}");
                        break;
                    }
                }
            }
        }
    }
}

async fn carry_one(
    letter: &Letter,
    session: &SharedSession,
    results: &Results,
) -> Result<(), BrokerError> {
    match letter {
        Letter::Task { exchange, routing_key, message } => {
            let address = Address { exchange, ..Address::queue(routing_key) };
            match session.publish(address, message).await {
                // Celery makes a queue that is not there, and so do we.
                Err(BrokerError::NoQueue(_)) if exchange.is_empty() => {
                    session.declare(routing_key).await?;
                    session.publish(address, message).await
                }
                published => published,
            }
        }
        Letter::Result(Told { task_id, reply_to, meta, over }) => {
            let outcome = Outcome { task_id, reply_to: reply_to.as_deref(), meta };
            let stored = results.store(&**session, outcome, *over).await?;
            tracing::debug!(task_id, ?stored, "told the result");
            Ok(())
        }
        Letter::Ack(delivery) => {
            let id = delivery.message().id();
            match session.ack(delivery).await? {
                Settled::Done => {}
                Settled::Stale => tracing::info!(id, "the message comes again"),
                Settled::Overdue => tracing::warn!(id, "{OVERDUE}"),
            }
            Ok(())
        }
        Letter::Event { routing_key, message } => session.event(routing_key, message).await,
    }
}

impl Letter {
    fn kind(&self) -> &'static str {
        match self {
            Self::Task { .. } => "a task that follows",
            Self::Result(_) => "a result",
            Self::Ack(_) => "an acknowledgement",
            Self::Event { .. } => "an event",
        }
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("letters", &self.letters.borrow().len())
            .finish_non_exhaustive()
    }
}

/// How long the place for results has been away.
#[derive(Debug)]
struct Absence {
    since: Option<Instant>,
    backoff: Backoff,
}

impl Default for Absence {
    fn default() -> Self {
        Self { since: None, backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE) }
    }
}

impl Absence {
    /// The pause before the next try; none if it has been away for too long.
    fn next_pause(&mut self, now: Instant) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let pause = self.backoff.failed(None);
        (now.saturating_duration_since(since) < PATIENCE).then_some(pause)
    }
}

/// For how long results are kept whose place is away: what comes after them waits as well.
const PATIENCE: Duration = Duration::from_secs(600);

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A message was held for longer than its broker lets anybody.
pub(super) const OVERDUE: &str = "the message was held for too long, and the broker gives it to another worker as \
    well: on RabbitMQ, raise consumer_timeout above the longest job; on Redis, give all workers one visibility timeout";

/// Beyond so many letters, an event takes an older one's place: a minute of a busy worker's.
const MOST_WITH_EVENTS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_for_results_is_waited_for_with_growing_pauses_and_not_for_ever() {
        let (mut absence, mut now) = (Absence::default(), Instant::now());
        let began = now;
        let mut pauses = Vec::new();
        while let Some(pause) = absence.next_pause(now) {
            pauses.push(pause.as_millis());
            now += pause;
        }
        for (pause, least) in pauses.iter().zip([500, 1000, 2000, 4000, 8000, 10000, 10000]) {
            assert!((least..=least + least / 4).contains(pause), "{pauses:?}");
        }
        assert!(now - began >= PATIENCE && now - began < PATIENCE + LONGEST_PAUSE * 5 / 4);
        assert_eq!(absence.next_pause(now), None, "the next one is tried once");
    }
}
