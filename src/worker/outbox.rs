//! What waits to be told to the broker, in its order: tasks that follow, results, acknowledgements, events.
//!
//! A job never waits for the broker: it leaves its letters here and is over. They are carried while
//! there is a session, and kept while there is none. A place for results that is away is waited for, within a bound.
//! Of events, and of tasks that were revoked elsewhere, the oldest are dropped when there are too many. Of the rest none
//! is: who takes messages looks first whether there is room ([`Outbox::has_room`]).
//!
//! A worker has three, so that what needs only the broker does not wait for a place for results, nor a result for what
//! others are told of revokes.

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
    /// A task that follows, for a queue. What is to come after it waits for the end of its sender.
    Task {
        exchange: String,
        routing_key: String,
        message: Box<Message>,
        _carried: watch::Sender<()>,
    },
    /// Nothing, once those tasks have been carried.
    After(watch::Receiver<()>),
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
    letters: RefCell<VecDeque<Rc<Letter>>>,
    more: Notify,
    /// How many there are.
    length: watch::Sender<usize>,
}

impl Outbox {
    /// Leaves a letter.
    pub(super) fn post(&self, letter: Letter) {
        let mut letters = self.letters.borrow_mut();
        if matches!(letter, Letter::Event { .. }) && letters.len() >= MOST_WITH_EVENTS {
            let is_event = |letter: &Rc<Letter>| matches!(**letter, Letter::Event { .. });
            let Some(oldest) = letters.iter().position(is_event) else { return };
            letters.remove(oldest);
        }
        letters.push_back(Rc::new(letter));
        self.length.send_replace(letters.len());
        drop(letters);
        self.more.notify_one();
    }

    /// Leaves a letter that may be lost: it takes the place of the oldest, if there are so many.
    pub(super) fn post_of(&self, most: usize, letter: Letter) {
        if self.letters.borrow().len() >= most {
            self.letters.borrow_mut().pop_front();
        }
        self.post(letter);
    }

    /// Waits until every letter has been carried.
    pub(super) async fn is_empty(&self) {
        self.has_at_most(0).await;
    }

    /// Waits until there is room for what another job leaves.
    pub(super) async fn has_room(&self) {
        self.has_at_most(MOST_BEFORE_A_JOB).await;
    }

    async fn has_at_most(&self, most: usize) {
        // The sender lives as long as this is borrowed.
        let _ = self.length.subscribe().wait_for(|length| *length <= most).await;
    }

    /// Says of each letter that it will not be carried any more.
    pub(super) fn gives_up(&self) {
        for letter in self.letters.borrow_mut().drain(..) {
            match &*letter {
                Letter::Result(told) if told.over == Over::NoSuccess => {
                    tracing::error!(
                        task = told.task_id,
                        "the worker ends before its result was told"
                    );
                }
                Letter::Task { message, .. } => {
                    tracing::error!(
                        task = message.id(),
                        "the worker ends before this was published"
                    );
                }
                Letter::Ack(delivery) => {
                    let task = delivery.message().id();
                    tracing::warn!(
                        task,
                        "the worker ends before it could acknowledge the message, which comes again"
                    );
                }
                // Nobody waits for an event, and others tell of revokes as well.
                Letter::Result(_) | Letter::Event { .. } | Letter::After(_) => {}
            }
        }
    }

    /// Carries letters for ever, by whichever session there is.
    pub(super) async fn carry(
        &self,
        mut sessions: watch::Receiver<Option<SharedSession>>,
        results: &Results,
    ) {
        let mut absence = Absence::default();
        loop {
            let first = self.letters.borrow().front().map(Rc::clone);
            let Some(letter) = first else {
                self.more.notified().await;
                continue;
            };
            loop {
                if matches!(*letter, Letter::Result(_)) && absence.is_hopeless(Instant::now()) {
                    tracing::warn!("the place for results is away, and one is not told");
                    break;
                }
                let Ok(session) = sessions.wait_for(Option::is_some).await.map(|it| it.clone())
                else {
                    return;
                };
                let Some(session) = session else { continue };
                match carry_one(&letter, &session, results).await {
                    Ok(()) => {
                        if matches!(*letter, Letter::Result(_)) && absence.has_begun() {
                            tracing::info!("the place for results is back");
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
                        let (kind, words) = (letter.kind(), crate::run::chain(&error));
                        let is_known = absence.has_begun();
                        if let BrokerError::Results { .. } = error
                            && let Some(pause) = absence.next_pause(Instant::now())
                        {
                            match is_known {
                                false => tracing::warn!("{words}; results wait for it"),
                                true => tracing::debug!("{words}"),
                            }
                            tokio::time::sleep(pause).await;
                            continue;
                        }
                        tracing::warn!(error = words, "the broker does not take {kind}");
                        break;
                    }
                }
            }
            self.is_done_with(&letter);
        }
    }

    /// Takes away the first letter, unless it has been dropped meanwhile.
    fn is_done_with(&self, letter: &Rc<Letter>) {
        let mut letters = self.letters.borrow_mut();
        if letters.front().is_some_and(|first| Rc::ptr_eq(first, letter)) {
            letters.pop_front();
            self.length.send_replace(letters.len());
        }
    }
}

async fn carry_one(
    letter: &Letter,
    session: &SharedSession,
    results: &Results,
) -> Result<(), BrokerError> {
    match letter {
        Letter::After(carried) => {
            // All of them have been carried when nobody can say so any more.
            let _ = carried.clone().changed().await;
            Ok(())
        }
        Letter::Task { exchange, routing_key, message, .. } => {
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
            Self::Task { .. } | Self::After(_) => "a task that follows",
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
    /// It was away for too long, and is tried again then.
    resumes: Option<Instant>,
}

impl Default for Absence {
    fn default() -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { since: None, backoff, resumes: None }
    }
}

impl Absence {
    /// Whether it is away.
    fn has_begun(&self) -> bool {
        self.since.is_some()
    }

    /// The pause before the next try; none if it has been away for too long.
    fn next_pause(&mut self, now: Instant) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let pause = self.backoff.failed(None);
        if now.saturating_duration_since(since) < PATIENCE {
            return Some(pause);
        }
        self.resumes = Some(now + LONGEST_PAUSE);
        None
    }

    /// Whether it was away for too long, and was tried a moment ago.
    fn is_hopeless(&self, now: Instant) -> bool {
        self.resumes.is_some_and(|resumes| now < resumes)
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

/// With so many letters no other job begins, which would leave more. A busy worker has a few.
const MOST_BEFORE_A_JOB: usize = 2 * MOST_WITH_EVENTS;

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
        assert!(absence.is_hopeless(now) && !absence.is_hopeless(now + LONGEST_PAUSE));
        assert_eq!(absence.next_pause(now), None, "the next one is tried once");
    }

    fn result(number: usize) -> Letter {
        let (reply_to, meta, over) = (None, serde_json::Value::Null, Over::Nothing);
        Letter::Result(Told { task_id: number.to_string(), reply_to, meta, over })
    }

    fn event() -> Letter {
        Letter::Event { routing_key: "", message: Box::default() }
    }

    #[test]
    fn what_may_be_lost_is_bounded_and_no_job_begins_that_would_leave_more_than_there_is_room_for()
    {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let has_room = |outbox: &Outbox| {
            let mut room = std::pin::pin!(outbox.has_room());
            runtime.block_on(std::future::poll_fn(|context| {
                std::task::Poll::Ready(room.as_mut().poll(context).is_ready())
            }))
        };
        let outbox = Outbox::default();
        (0..MOST_WITH_EVENTS * 3).for_each(|_| outbox.post(event()));
        assert_eq!(outbox.letters.borrow().len(), MOST_WITH_EVENTS);
        assert!(has_room(&outbox));
        (0..=MOST_BEFORE_A_JOB).for_each(|number| outbox.post(result(number)));
        assert!(!has_room(&outbox));
        outbox.gives_up();

        (0..30).for_each(|number| outbox.post_of(10, result(number)));
        let first = Rc::clone(outbox.letters.borrow().front().unwrap());
        let Letter::Result(told) = &*first else { panic!() };
        assert_eq!((outbox.letters.borrow().len(), &*told.task_id), (10, "20"));
        // It was dropped while it was carried.
        outbox.post_of(10, result(30));
        outbox.is_done_with(&first);
        assert_eq!(outbox.letters.borrow().len(), 10);
    }
}
