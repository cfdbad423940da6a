//! What the parts of one worker share. All of it lives on one thread.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tracing::Instrument;

use super::broker::{Results, SharedSession};
use super::celery::{GirderHeaders, Message, Revoked, Task, TimeLimit};
use super::due::Due;
use super::http::Health;
use super::job::{Job, Limits};
use super::others::Others;
use super::outbox::Outbox;
use super::settings::WorkerSettings;
use super::state::State;
use super::taken::Taken;
use super::url::Broker;
use crate::event::Phase;
use crate::run::{CleanUpError, Runner, chain};
use crate::spec::{GirderJob, HttpUrl, JobSpec, SpecError};

/// How far a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It takes messages.
    Serves,
    /// It takes none; what runs goes on.
    Drains,
    /// What runs is stopped.
    Stops,
}

/// One worker.
pub(super) struct Node {
    pub(super) settings: WorkerSettings,
    pub(super) runner: Runner,
    /// The session with the broker, while there is one.
    pub(super) sessions: watch::Sender<Option<SharedSession>>,
    pub(super) stage: watch::Sender<Stage>,
    /// The queues that are served.
    pub(super) queues: watch::Sender<Vec<String>>,
    pub(super) wanted_slots: watch::Sender<usize>,
    slots: Cell<usize>,
    /// What goes on beside the slots, and has to end before the worker does.
    held: Cell<usize>,
    /// Messages that are held beside the slots, or are on their way back.
    beside: watch::Sender<usize>,
    /// Tells one message that waits for its time that there are too many.
    pub(super) crowded: Notify,
    /// What is told of tasks, and of the worker.
    pub(super) outbox: Outbox,
    /// Acknowledgements that wait for no result, and tasks that follow.
    pub(super) acks: Outbox,
    /// What is told of tasks that were revoked, and that nobody has begun.
    pub(super) revokes: Outbox,
    pub(super) health: Health,
    pub(super) others: RefCell<Others>,
    /// The tasks that run, by their ids.
    pub(super) jobs: RefCell<BTreeMap<String, Rc<Job>>>,
    /// Those whose time has not come.
    pub(super) waiting: RefCell<BTreeMap<String, Rc<Taken>>>,
    /// Those whose time has come, and that no slot has taken yet.
    pub(super) due: Due<Rc<Taken>>,
    pub(super) revoked: RefCell<Revoked>,
    /// Told of each change of `revoked`.
    pub(super) revocations: watch::Sender<()>,
    /// Until when the other workers may answer what they know to be revoked.
    pub(super) hello_until: Cell<Instant>,
    /// Where results go.
    pub(super) results: Results,
    /// What is remembered over the end of the process.
    pub(super) state: State,
    /// Limits of tasks that bring none.
    pub(super) limits: RefCell<BTreeMap<String, TimeLimit>>,
    pub(super) began: Instant,
    /// Told when a slot ends, or is free.
    pub(super) slots_changed: Notify,
    /// Celery's logical clock.
    pub(super) clock: Cell<u64>,
    pub(super) sends_events: Cell<bool>,
    /// How many tasks were received, by name.
    pub(super) received: RefCell<BTreeMap<String, u64>>,
    /// Who waits for replies to a question, by the question's ticket.
    pub(super) questions: RefCell<BTreeMap<String, mpsc::UnboundedSender<Message>>>,
    /// Room for replies that wait for the broker.
    pub(super) replies: Arc<Semaphore>,
    /// The runs of this node whose process has died.
    pub(super) buried: RefCell<BTreeSet<String>>,
    /// How many runs have ended and are still cleaned up after.
    clean_ups: watch::Sender<usize>,
    /// Ids of tasks that have ended here: a message that comes again after its end is only acknowledged.
    ended: RefCell<VecDeque<String>>,
}

/// What a node is made of.
pub(super) struct Parts {
    pub(super) settings: WorkerSettings,
    pub(super) runner: Runner,
    pub(super) health: Health,
    pub(super) revoked: Revoked,
    pub(super) state: State,
    pub(super) results: Results,
}

impl Node {
    /// A worker that has not begun.
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { settings, runner, health, revoked, state, results } = parts;
        Self {
            runner,
            sessions: watch::Sender::new(None),
            stage: watch::Sender::new(Stage::Serves),
            queues: watch::Sender::new(settings.queues.clone()),
            wanted_slots: watch::Sender::new(settings.concurrency),
            slots: Cell::new(0),
            held: Cell::new(0),
            beside: watch::Sender::new(0),
            crowded: Notify::new(),
            outbox: Outbox::default(),
            acks: Outbox::default(),
            revokes: Outbox::default(),
            health,
            others: RefCell::default(),
            jobs: RefCell::default(),
            waiting: RefCell::default(),
            due: Due::default(),
            revoked: RefCell::new(revoked),
            revocations: watch::Sender::new(()),
            hello_until: Cell::new(Instant::now()),
            state,
            results,
            limits: RefCell::default(),
            began: Instant::now(),
            slots_changed: Notify::new(),
            clock: Cell::new(0),
            sends_events: Cell::new(settings.events),
            received: RefCell::default(),
            questions: RefCell::default(),
            replies: Arc::new(Semaphore::new(MOST_REPLIES)),
            buried: RefCell::default(),
            clean_ups: watch::Sender::new(0),
            ended: RefCell::default(),
            settings,
        }
    }

    /// The session, if there is one.
    pub(super) fn session(&self) -> Option<SharedSession> {
        self.sessions.borrow().clone()
    }

    /// Waits for another session, or for the end of this one.
    pub(super) async fn session_changes(&self) {
        let mut sessions = self.sessions.subscribe();
        sessions.borrow_and_update();
        // The sender lives as long as this is borrowed.
        let _ = sessions.changed().await;
    }

    /// Whether a task is one that this worker runs.
    pub(super) fn is_ours(&self, task: &str) -> bool {
        crate::spec::girder_worker::TASKS.contains(&task)
    }

    /// Whether messages come from Redis.
    pub(super) fn is_redis(&self) -> bool {
        matches!(self.settings.broker, Broker::Redis(_))
    }

    /// How often a message that is held is renewed: a third of the visibility timeout, ours or kombu's
    /// default, whichever is less: Python's workers put back what is older than theirs.
    pub(super) fn renewal(&self) -> Duration {
        self.settings.visibility_timeout.min(super::broker::VISIBILITY_TIMEOUT) / 3
    }

    /// A slot more; false if there are enough.
    pub(super) fn another_slot(&self) -> bool {
        let is_wanted = self.slots.get() < *self.wanted_slots.borrow();
        if is_wanted {
            self.slots.set(self.slots.get() + 1);
        }
        is_wanted
    }

    /// Whether a slot is to end.
    pub(super) fn has_a_slot_too_many(&self) -> bool {
        self.slots.get() > *self.wanted_slots.borrow()
    }

    /// A slot has ended.
    pub(super) fn slot_ended(&self) {
        self.slots.set(self.slots.get().saturating_sub(1));
        self.slots_changed.notify_one();
    }

    /// Whether no slot is left, and no message is held beside them: the connection may be closed. A message
    /// that is put back is there twice if the connection ends before it is acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.slots.get() == 0 && self.held.get() == 0
    }

    /// Something goes on beside the slots until this is dropped.
    pub(super) fn holds(self: &Rc<Self>) -> Held {
        self.held.set(self.held.get() + 1);
        Held(Rc::clone(self))
    }

    /// A message is held beside the slots until this is dropped.
    pub(super) fn holds_message(self: &Rc<Self>) -> HeldMessage {
        self.beside.send_modify(|beside| *beside += 1);
        HeldMessage(self.holds())
    }

    /// Whether there are as many messages beside the slots as may be.
    pub(super) fn is_crowded(&self) -> bool {
        *self.beside.borrow() >= MOST_BESIDE
    }

    /// Waits until one more message may be held beside the slots. Until then those whose time has not come go back, the
    /// one first that has waited longest.
    pub(super) async fn has_room_beside(&self) {
        let mut beside = self.beside.subscribe();
        while *beside.borrow_and_update() >= MOST_BESIDE {
            self.crowded.notify_one();
            tokio::select! {
                _ = beside.changed() => {}
                // The one that was told may have had another reason to go.
                () = tokio::time::sleep(TELLS_ANOTHER) => {}
            }
        }
    }

    /// Changes how many jobs may run at once.
    pub(super) fn changes_slots(&self, change: impl FnOnce(usize) -> usize) {
        self.wanted_slots.send_modify(|slots| *slots = change(*slots));
    }

    /// Waits until a task is revoked.
    pub(super) async fn is_revoked(&self, id: &str) {
        let mut revocations = self.revocations.subscribe();
        loop {
            revocations.borrow_and_update();
            if self.revoked.borrow_mut().contains(id, SystemTime::now()) {
                return;
            }
            let _ = revocations.changed().await;
        }
    }

    /// Waits until what runs is stopped.
    pub(super) async fn stops(&self) {
        // The sender lives as long as this is borrowed.
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Stops).await;
    }

    /// Whether what runs is stopped.
    pub(super) fn is_stopped(&self) -> bool {
        *self.stage.borrow() == Stage::Stops
    }

    /// Counts a task that was received.
    pub(super) fn received(&self, task: &Task) {
        *self.received.borrow_mut().entry(task.head.task.clone()).or_default() += 1;
        self.tells_received(task);
    }

    /// The limits of a task: its own, or those that were set by remote control.
    pub(super) fn limits_of(&self, task: &Task) -> Limits {
        let limits = self.limits.borrow();
        let TimeLimit { soft, hard } = limits.get(&task.head.task).copied().unwrap_or_default();
        let own = task.time_limit;
        Limits::of_seconds(own.soft.or(soft), own.hard.or(hard))
    }

    /// The job in Girder, at the address by which this machine reaches it.
    pub(super) fn girder_job(&self, girder: &GirderHeaders) -> Option<GirderJob> {
        let mut job = girder.job.clone()?;
        if let (Some(ours), Some(theirs)) = (&self.settings.girder_api_url, &girder.api_url) {
            job.move_girder(theirs, ours);
        }
        Some(job)
    }

    /// Where jobs are made in Girder, as this machine reaches it.
    pub(super) fn jobs_address(&self, girder: &GirderHeaders) -> Option<HttpUrl> {
        let theirs = girder.api_url.as_ref()?;
        let api = self.settings.girder_api_url.as_ref().unwrap_or(theirs);
        HttpUrl::parse(&format!("{}/job", api.trim_end_matches('/')))
    }

    /// What a task asks for, of the Girder server at the address by which this machine reaches it.
    ///
    /// # Errors
    /// It cannot be run as it came.
    pub(super) fn spec(&self, task: &Task) -> Result<JobSpec, SpecError> {
        let mut job = JobSpec::from_message(&task.document)?;
        let theirs = &task.head.girder.api_url;
        if let (Some(ours), Some(theirs)) = (&self.settings.girder_api_url, theirs) {
            job.move_girder(theirs, ours)?;
        }
        Ok(job)
    }

    /// Notes that a task has ended here.
    pub(super) fn ended(&self, id: &str) {
        let mut ended = self.ended.borrow_mut();
        if ended.len() >= MOST_ENDED {
            ended.pop_front();
        }
        ended.push_back(id.to_owned());
    }

    /// Whether a task has ended here.
    pub(super) fn has_ended(&self, id: &str) -> bool {
        self.ended.borrow().iter().any(|ended| ended == id)
    }

    /// Passes a message on to whoever asked for it; false if it is no answer to a question.
    pub(super) fn hears_answer(&self, message: &Message) -> bool {
        let questions = self.questions.borrow();
        let asks = message.text_header("ticket").and_then(|ticket| questions.get(ticket));
        asks.is_some_and(|asks| asks.send(message.clone()).is_ok())
    }

    /// Waits until there are no more runs that are cleaned up after than there are slots.
    pub(super) async fn keeps_up_with_clean_ups(&self) {
        let most = *self.wanted_slots.borrow();
        // The sender lives as long as this is borrowed.
        let _ = self.clean_ups.subscribe().wait_for(|clean_ups| *clean_ups <= most).await;
    }

    /// Sees to the clean-up of a run whose end is told before it; `cleaned_up` ends without a word if there is none.
    /// The worker does not end before.
    pub(super) fn cleans_up_after(
        self: &Rc<Self>,
        cleaned_up: oneshot::Receiver<(Duration, Vec<CleanUpError>)>,
    ) {
        let (node, held) = (Rc::clone(self), self.holds());
        node.clean_ups.send_modify(|clean_ups| *clean_ups += 1);
        let ends = async move {
            if let Ok((took, left)) = cleaned_up.await {
                node.health.metrics.phase_ended(Phase::CleanUp, took);
                left.iter().for_each(|left| tracing::warn!("{}", chain(left)));
            }
            node.clean_ups.send_modify(|clean_ups| *clean_ups -= 1);
            drop(held);
        };
        tokio::task::spawn_local(ends.instrument(tracing::Span::current()));
    }

    /// Takes no new message from now on.
    pub(super) fn drains(&self) {
        self.health.is_draining.set(true);
        self.stage.send_if_modified(|stage| {
            let begins = *stage == Stage::Serves;
            if begins {
                *stage = Stage::Drains;
            }
            begins
        });
    }
}

/// A message that is held beside the slots.
pub(super) struct HeldMessage(Held);

impl Drop for HeldMessage {
    fn drop(&mut self) {
        self.0.0.beside.send_modify(|beside| *beside = beside.saturating_sub(1));
    }
}

/// What goes on beside the slots.
pub(super) struct Held(Rc<Node>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get().saturating_sub(1));
        self.0.slots_changed.notify_one();
    }
}

/// Messages that are held beside the slots; those that take one each may add one more each. RabbitMQ has a channel for
/// each, and no more than 2047 unless it is told to.
const MOST_BESIDE: usize = 1000;

const TELLS_ANOTHER: Duration = Duration::from_secs(1);

/// Replies that wait for the broker.
const MOST_REPLIES: usize = 1000;

/// Ids of ended tasks that are kept.
const MOST_ENDED: usize = 1000;
