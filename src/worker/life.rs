//! A worker from its start to its end.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{LocalSet, spawn_local};

use super::broker::{self, BrokerError, Results, Supervisor};
use super::celery::Revoked;
use super::connection;
use super::http::{self, Health};
use super::job;
use super::metrics::Metrics;
use super::node::{Node, Parts, Stage};
use super::settings::WorkerSettings;
use super::state::{self, State};
use super::state_file::{StateFile, StateFileError};
use super::systemd;
use super::url::Broker;
use super::{held, slot};
use crate::run::{DockerError, Runner};

/// A worker that has not begun.
#[derive(Debug)]
pub struct Worker {
    settings: WorkerSettings,
    runner: Runner,
}

/// Why a worker ends, or does not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The runtime could not be made, or signals not be taken.
    #[error("cannot begin the worker")]
    Begin(#[source] io::Error),
    /// The broker cannot be used, and waiting does not mend it.
    #[error("cannot use the broker")]
    Broker(#[source] BrokerError),
    /// The engine does not answer.
    #[error("cannot use the engine")]
    Engine(#[source] DockerError),
    /// Results cannot be told.
    #[error("cannot use the place for results")]
    Results(#[source] BrokerError),
    /// Nobody can be served at the address for health and counters.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// What is remembered cannot be read.
    #[error("cannot use --statedb")]
    State(#[source] StateError),
}

/// A state file that cannot be used.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct StateError(#[from] StateFileError);

impl Worker {
    /// A worker whose jobs this runner runs.
    pub fn new(settings: WorkerSettings, runner: Runner) -> Self {
        Self { settings, runner }
    }

    /// Connects to the engine and the broker, declares nothing, and closes the connections.
    ///
    /// # Errors
    /// [`WorkerError::Engine`]: it does not answer. [`WorkerError::Broker`]: there is no connection within
    /// half a minute, or none can be had.
    pub fn check(&self) -> Result<(), WorkerError> {
        let runtime = runtime()?;
        let mut supervisor = self.supervisor();
        runtime.block_on(async {
            self.runner.check_engine().await.map_err(WorkerError::Engine)?;
            let checked = tokio::time::timeout(PATIENCE, connection::check(&mut supervisor)).await;
            match checked {
                Ok(checked) => checked.map_err(WorkerError::Broker),
                Err(_) => Err(WorkerError::Broker(BrokerError::Silent(PATIENCE.as_secs()))),
            }
        })
    }

    /// Takes messages and runs their jobs until SIGTERM or SIGINT, or a `shutdown` of remote control. Blocks.
    ///
    /// The first signal ends the taking; what runs goes on, for the grace period if there is one. The
    /// second stops what runs.
    ///
    /// # Errors
    /// [`WorkerError`]: it could not begin.
    pub fn run(self) -> Result<(), WorkerError> {
        let runtime = runtime()?;
        let tasks = LocalSet::new();
        let ended = tasks.block_on(&runtime, self.live());
        runtime.shutdown_background();
        ended
    }

    fn supervisor(&self) -> Supervisor {
        let mut settings = broker::Settings::new(&self.settings.hostname);
        settings.visibility_timeout = self.settings.visibility_timeout;
        settings.ca_file.clone_from(&self.settings.ca_file);
        Supervisor::new(self.settings.broker.clone(), settings)
    }

    async fn live(self) -> Result<(), WorkerError> {
        let supervisor = self.supervisor();
        let Self { settings, runner } = self;
        let results = Results::new(&settings.backend, settings.ca_file.as_deref());
        let results = results.map_err(WorkerError::Results)?;
        let (state, revoked) = recall(&settings)?;
        let health = Health::new(Metrics::new());
        if let Some(address) = settings.http {
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|source| WorkerError::Listen { address, source })?;
            spawn_local(http::serve(listener, health.clone()));
        }
        let grace = settings.grace;
        if settings.acks_late && matches!(settings.broker, Broker::Amqp(_)) {
            tracing::warn!(
                "late acknowledgements: RabbitMQ gives a message to another worker after its \
                 consumer_timeout (30 minutes unless it is set): raise it above the longest job"
            );
        }
        let node = Rc::new(Node::new(Parts { settings, runner, health, revoked, state, results }));
        spawn_local(state::keep_saving(Rc::clone(&node)));
        job::bury::bury(&node).await;
        spawn_local(systemd::feed_watchdog());
        spawn_local({
            let node = Rc::clone(&node);
            async move {
                tokio::join!(
                    node.outbox.carry(node.sessions.subscribe(), &node.results),
                    node.acks.carry(node.sessions.subscribe(), &node.results),
                    node.revokes.carry(node.sessions.subscribe(), &node.results),
                )
            }
        });
        spawn_local(watch_engine(Rc::clone(&node)));
        spawn_local(keep_slots(Rc::clone(&node)));
        let connected = connection::keep(Rc::clone(&node), supervisor);
        let ended = tokio::select! {
            error = connected => Err(WorkerError::Broker(error)),
            ended = end(&node, grace) => ended.map_err(WorkerError::Begin),
        };
        let _ = tokio::time::timeout(LAST_WORDS, node.state_is_saved()).await;
        ended
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, WorkerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(WorkerError::Begin)
}

fn recall(settings: &WorkerSettings) -> Result<(State, Revoked), WorkerError> {
    let Some(path) = &settings.statedb else {
        return Ok((State::default(), Revoked::default()));
    };
    let opened = StateFile::open(path, &settings.hostname);
    let (file, remembered) = opened.map_err(|error| WorkerError::State(error.into()))?;
    let revoked = Revoked::from_json(&remembered.revoked, SystemTime::now());
    Ok((State::kept(file, remembered), revoked))
}

/// Starts slots while there are fewer than wanted.
async fn keep_slots(node: Rc<Node>) {
    let mut wanted = node.wanted_slots.subscribe();
    loop {
        node.health.metrics.slots(*wanted.borrow_and_update());
        while node.another_slot() {
            spawn_local(slot::serve(Rc::clone(&node)));
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// Looks now and then whether the engine answers, for those who ask whether the worker is ready.
async fn watch_engine(node: Rc<Node>) {
    if node.settings.http.is_none() {
        return;
    }
    loop {
        node.health.engine_is_up.set(node.runner.check_engine().await.is_ok());
        tokio::time::sleep(LOOK_AT_ENGINE).await;
    }
}

/// Waits for what ends the worker, and for what runs until then.
async fn end(node: &Rc<Node>, grace: Option<Duration>) -> io::Result<()> {
    let mut stage = node.stage.subscribe();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = node.health.drain.notified() => {}
        _ = stage.wait_for(|stage| *stage != Stage::Serves) => {}
    }
    node.drains();
    // No slot takes one any more.
    let (ends, held) = (Rc::clone(node), node.holds());
    spawn_local(async move {
        due_goes_back(&ends).await;
        drop(held);
    });
    systemd::stopping();
    tracing::info!(jobs = node.jobs.borrow().len(), "takes no new jobs");
    let is_over = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(grace.unwrap_or(Duration::MAX)) => {}
        }
        node.stage.send_replace(Stage::Stops);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = is_over => {}
        () = idle(node) => {}
    }
    node.tells_offline();
    // What runs has ended; a broker that is away does not keep us for ever.
    let all = [&node.acks, &node.outbox, &node.revokes];
    let told = async {
        for letters in all {
            letters.is_empty().await;
        }
    };
    if tokio::time::timeout(LAST_WORDS, told).await.is_err() {
        all.iter().for_each(|letters| letters.gives_up());
    }
    let _ = tokio::time::timeout(LAST_WORDS, due_goes_back(node)).await;
    if let Some(session) = node.session() {
        let _ = tokio::time::timeout(LAST_WORDS, session.close()).await;
    }
    Ok(())
}

/// Gives back what was to be run next.
async fn due_goes_back(node: &Node) {
    for taken in node.due.drain() {
        held::give_back(node, &taken.delivery, broker::End::Unseen).await;
    }
}

/// Waits until no slot has a job.
async fn idle(node: &Node) {
    loop {
        if node.is_idle() {
            return;
        }
        node.slots_changed.notified().await;
    }
}

/// How long a broker may take to answer a check.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the engine is looked at.
const LOOK_AT_ENGINE: Duration = Duration::from_secs(10);

/// How long the last results and acknowledgements may take, and the last writing of the state file.
const LAST_WORDS: Duration = Duration::from_secs(30);
