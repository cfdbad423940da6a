//! Makes the sessions of a worker, one after the other.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::error::BrokerError;
use super::names::CONNECT_TIMEOUT;
use super::settings::Settings;
use super::{SharedSession, amqp, redis};
use crate::backoff::Backoff;
use crate::worker::url::{AmqpUrl, Broker, RedisUrl};

/// Connects to a broker again and again, with growing pauses, at each of its addresses in turn.
#[derive(Debug)]
pub struct Supervisor {
    broker: Broker,
    settings: Settings,
    backoff: Backoff,
    /// The pause before the next try.
    pause: Duration,
    /// Which try this is: it chooses the address.
    tries: usize,
    /// When the last session was established.
    since: Option<Instant>,
    /// A session has been established at some time: nothing is fatal any more.
    been_up: bool,
    state: watch::Sender<State>,
}

/// How it stands with the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A connection is being made, or set up by its owner.
    Connecting {
        /// Host and port.
        place: String,
    },
    /// The session is established.
    Up {
        /// Host and port.
        place: String,
    },
    /// There is none.
    Down {
        /// The error, with its causes.
        why: String,
        /// The pause before the next try.
        pause: Duration,
    },
}

impl Supervisor {
    /// A supervisor of sessions with this broker. It does nothing yet.
    pub fn new(broker: Broker, settings: Settings) -> Self {
        let state = State::Connecting { place: place(&broker, 0) };
        Self {
            broker,
            settings,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            pause: Duration::ZERO,
            tries: 0,
            since: None,
            been_up: false,
            state: watch::Sender::new(state),
        }
    }

    /// What is told of each change.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Waits until there is a connection. The first try is made at once.
    ///
    /// # Errors
    /// Something that waiting does not mend ([`BrokerError::is_permanent`]), before any session was established.
    pub async fn next_session(&mut self) -> Result<SharedSession, BrokerError> {
        loop {
            sleep(std::mem::take(&mut self.pause)).await;
            self.state.send_replace(State::Connecting { place: self.place() });
            match self.connect().await {
                Ok(session) => return Ok(session),
                Err(error) => self.lost(error)?,
            }
        }
    }

    /// Tries each address once, and waits for none.
    ///
    /// # Errors
    /// What the last one says.
    pub async fn session_at_once(&mut self) -> Result<SharedSession, BrokerError> {
        let addresses = match &self.broker {
            Broker::Amqp(urls) => urls.len(),
            Broker::Redis(urls) => urls.len(),
        };
        for _ in 1..addresses {
            match self.connect().await {
                Ok(session) => return Ok(session),
                Err(error) => tracing::warn!("{}", chain(&error)),
            }
            self.tries = self.tries.wrapping_add(1);
        }
        self.connect().await
    }

    /// The owner has set the session up: queues, remote control.
    pub fn established(&mut self) {
        self.been_up = true;
        self.since = Some(Instant::now());
        self.state.send_replace(State::Up { place: self.place() });
    }

    /// The session could not be set up, or has ended.
    ///
    /// # Errors
    /// The error itself, if waiting does not mend it and no session was ever established.
    pub fn lost(&mut self, error: BrokerError) -> Result<(), BrokerError> {
        if error.is_permanent() && !self.been_up {
            return Err(error);
        }
        // After a short session the pauses go on as they were: a broker that takes connections and drops them is not
        // asked in a loop.
        if self.since.take().is_some_and(|since| since.elapsed() >= LONGEST_PAUSE) {
            self.backoff.succeeded();
        }
        self.tries = self.tries.wrapping_add(1);
        self.pause = self.backoff.failed(None);
        self.state.send_replace(State::Down { why: chain(&error), pause: self.pause });
        Ok(())
    }

    async fn connect(&self) -> Result<SharedSession, BrokerError> {
        let connecting = async {
            match &self.broker {
                Broker::Amqp(urls) => match urls.get(self.tries % urls.len().max(1)) {
                    Some(url) => amqp::connect(url, &self.settings).await,
                    None => Err(BrokerError::Bug("a list of no addresses")),
                },
                Broker::Redis(urls) => match urls.get(self.tries % urls.len().max(1)) {
                    Some(url) => redis::connect(url, &self.settings).await,
                    None => Err(BrokerError::Bug("a list of no addresses")),
                },
            }
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(session) => session,
            Err(_) => Err(BrokerError::Silent(CONNECT_TIMEOUT.as_secs())),
        }
    }

    fn place(&self) -> String {
        place(&self.broker, self.tries)
    }
}

/// With what chance adds, at most a second.
const FIRST_PAUSE: Duration = Duration::from_millis(800);

/// With what chance adds, at most half a minute: a broker that is back is met within it, and one that is away for a day is
/// not asked all the time.
const LONGEST_PAUSE: Duration = Duration::from_secs(24);

/// The host and port of one of the addresses.
fn place(broker: &Broker, tries: usize) -> String {
    let place = match broker {
        Broker::Amqp(urls) => urls.get(tries % urls.len().max(1)).map(AmqpUrl::place),
        Broker::Redis(urls) => urls.get(tries % urls.len().max(1)).map(RedisUrl::place),
    };
    place.unwrap_or_default()
}

/// An error and its causes on one line.
fn chain(error: &BrokerError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        // Some of lapin's errors say what their cause says.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
