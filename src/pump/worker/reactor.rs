//! One worker's loop: waits for edges, commands and deadlines, and gives turns.
//!
//! Whoever has something to do stands in a queue and gets a turn of bounded length; the loop
//! sleeps when the queue is empty, and nothing wakes it that has nothing to tell.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::pump::carrier::pool::Pool;
use crate::pump::driver::Driver;
use crate::pump::error::{PumpError, TransferError};
use crate::pump::fifo::ears::Ears;
use crate::pump::report::{Finish, Notice};
use crate::pump::streams::{Flowing, Outlet};
use crate::pump::summer::Summer;
use crate::pump::turn::{Context, Turn};
use crate::pump::worker::alarms::Alarms;
use crate::pump::worker::slot::{Command, Key, Slot, Work};
use crate::sys::inotify::Watches;

const WAKER: Token = Token(0);
const INOTIFY: Token = Token(1);

/// Events that are taken from epoll at once.
const EVENTS: usize = 256;

/// The loop of one worker.
pub(crate) struct Reactor {
    pub(in crate::pump) poll: Poll,
    commands: Receiver<Command>,
    pub(in crate::pump) mailbox: Mailbox,
    pub(in crate::pump) ears: Option<Rc<Ears>>,
    pool: Pool,
    pub(in crate::pump) summer: Summer,
    connections: usize,
    pub(in crate::pump) slots: HashMap<Key, Slot>,
    ready: VecDeque<Key>,
    alarms: Alarms,
    pub(in crate::pump) next_key: Key,
}

/// Sends commands to a worker and wakes it.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

impl Mailbox {
    /// Sends a command; an error is that the worker is gone.
    pub(crate) fn send(&self, command: Command) -> Result<(), PumpError> {
        self.commands.send(command).map_err(|_| PumpError::Stopped)?;
        self.waker.wake().map_err(PumpError::Wake)
    }
}

/// What a loop hears with. It is made by who starts the worker, who need not wait for it then.
pub(crate) struct Senses {
    poll: Poll,
    commands: Receiver<Command>,
    mailbox: Mailbox,
    watches: Option<Watches>,
}

impl Senses {
    /// # Errors
    /// No descriptors are left.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, commands) = crossbeam_channel::unbounded();
        let mailbox = Mailbox { commands: sender, waker };
        // Without inotify a thread waits for each reader instead, see `fifo`.
        let watches =
            Watches::new().inspect_err(|error| tracing::debug!(%error, "no inotify")).ok();
        if let Some(watches) = &watches {
            let descriptor = watches.as_fd().as_raw_fd();
            poll.registry().register(&mut SourceFd(&descriptor), INOTIFY, Interest::READABLE)?;
        }
        Ok(Self { poll, commands, mailbox, watches })
    }

    /// Where the loop takes its commands.
    pub(crate) fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }
}

impl Reactor {
    pub(crate) fn new(senses: Senses, buffers: usize, connections: usize) -> Self {
        let Senses { poll, commands, mailbox, watches } = senses;
        Self {
            poll,
            commands,
            mailbox,
            ears: watches.map(|watches| Rc::new(Ears::new(watches))),
            pool: Pool::new(buffers),
            summer: Summer::default(),
            connections,
            slots: HashMap::new(),
            ready: VecDeque::new(),
            alarms: Alarms::default(),
            next_key: 1,
        }
    }

    /// Runs until it is told to stop.
    ///
    /// A panic on the way (ours, or one of what we were given to call) must not close the FIFOs of
    /// running containers: that would look like the end of their files. So it fails the transfers,
    /// and the loop goes on for what has to be told of them.
    pub(crate) fn run(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            tracing::error!("a worker of the pump panicked, its transfers fail");
            self.each_driver(|driver| driver.fail(TransferError::Bug("the pump panicked")));
        }
        self.each_driver(Driver::cancel);
    }

    /// Calls all drivers, whatever becomes of one of them.
    fn each_driver(&mut self, mut call: impl FnMut(&mut Driver) -> Turn) {
        let mut keys: Vec<Key> = self.slots.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            let _ =
                catch_unwind(AssertUnwindSafe(|| self.with_driver(key, |driver, _| call(driver))));
        }
    }

    fn serve(&mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let now = Instant::now();
            let timeout = if self.ready.is_empty() && !self.has_news() {
                self.alarms.next().map(|when| when.saturating_duration_since(now))
            } else {
                Some(std::time::Duration::ZERO)
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "epoll failed, the worker stops");
                    return;
                }
                Ok(()) => {}
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    INOTIFY => self.look_at_fifos(),
                    token => self.edge(token),
                }
            }
            // A command may have come between the wake-up and now; there may be several to one.
            while let Ok(command) = self.commands.try_recv() {
                if !self.obey(command) {
                    return;
                }
            }
            if self.has_news() {
                self.look_at_fifos();
            }
            self.expire(Instant::now());
            for _ in 0..self.ready.len() {
                if let Some(key) = self.ready.pop_front() {
                    self.give_turn(key);
                }
            }
        }
    }

    /// Whether inotify has told something that its FIFO may not have heard.
    fn has_news(&self) -> bool {
        self.ears.as_ref().is_some_and(|ears| ears.has_news())
    }

    pub(in crate::pump) fn enqueue(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(&key)
            && !std::mem::replace(&mut slot.is_queued, true)
        {
            self.ready.push_back(key);
        }
    }

    fn edge(&mut self, token: Token) {
        let key = Key::try_from(token.0 / 2).unwrap_or_default();
        if let Some(slot) = self.slots.get_mut(&key) {
            if let Work::Driver(driver) = &mut slot.work {
                driver.became_ready(token);
            }
            self.enqueue(key);
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(key) = self.alarms.ring(now) {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            match slot.work.deadline() {
                Some(deadline) if deadline <= now => {
                    if let Work::Driver(driver) = &mut slot.work {
                        let _entered = slot.span.enter();
                        driver.timed_out(now);
                    }
                    self.enqueue(key);
                }
                _ => self.arm(key),
            }
        }
    }

    /// Sees to it that the loop wakes for a slot's deadline.
    pub(in crate::pump) fn arm(&mut self, key: Key) {
        if let Some(deadline) = self.slots.get(&key).and_then(|slot| slot.work.deadline()) {
            self.alarms.arm(key, deadline);
        }
    }

    fn give_turn(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.is_queued = false;
        if let Work::Streams(..) = slot.work {
            self.give_streams_turn(key);
        } else {
            self.with_driver(key, |driver, context| driver.turn(context));
        }
    }

    /// Calls a driver and heeds how its turn ended.
    pub(in crate::pump) fn with_driver(
        &mut self,
        key: Key,
        call: impl FnOnce(&mut Driver, &mut Context<'_>) -> Turn,
    ) {
        let Some(Slot { work: Work::Driver(driver), span, .. }) = self.slots.get_mut(&key) else {
            return;
        };
        let mut lookups = Vec::new();
        let mut context = Context {
            registry: self.poll.registry(),
            pool: &self.pool,
            connections: self.connections,
            now: Instant::now(),
            lookups: &mut lookups,
        };
        let turn = span.in_scope(|| call(driver, &mut context));
        for (ticket, lookup) in lookups {
            self.look_up(key, ticket, lookup);
        }
        match turn {
            Turn::Again => self.enqueue(key),
            Turn::Wait => {}
            Turn::Over => {
                self.remove(key);
                return;
            }
        }
        self.arm(key);
    }

    pub(in crate::pump) fn remove(&mut self, key: Key) {
        let Some(slot) = self.slots.remove(&key) else { return };
        self.alarms.disarm(key);
        if let Work::Driver(driver) = &slot.work {
            driver.deregister(self.poll.registry());
        }
        drop(slot);
        self.pool.trim(self.slots.len());
    }

    fn give_streams_turn(&mut self, key: Key) {
        let Some(mut slot) = self.slots.remove(&key) else { return };
        let Work::Streams(streams, notify) = &mut slot.work else { return };
        let span = slot.span.clone();
        let _entered = span.enter();
        let outlets = slot.outlets;
        let mut fed = Vec::new();
        let now = Instant::now();
        let outcome = streams.turn(&self.pool, now, |outlet, pieces| {
            let to = match outlet {
                Outlet::StdOut => outlets[0],
                Outlet::StdErr => outlets[1],
            };
            if let Some(Slot { work: Work::Driver(driver), .. }) = self.slots.get_mut(&to)
                && driver.feed(pieces, now) != Turn::Wait
                && !fed.contains(&to)
            {
                fed.push(to);
            }
        });
        for key in fed {
            // At once: most of them have nothing left to do, and the loop may sleep.
            self.with_driver(key, |driver, context| driver.turn(context));
        }
        if let Ok(Flowing::BrokeOff { end }) = outcome {
            notify(Notice::OutputBrokeOff { end });
        }
        let finishes = match outcome {
            Ok(Flowing::Again | Flowing::Wait | Flowing::BrokeOff { .. }) => {
                self.slots.insert(key, slot);
                if let Ok(Flowing::Again) = outcome {
                    self.enqueue(key);
                }
                self.arm(key);
                return;
            }
            Ok(Flowing::Ended) => {
                [Outlet::StdOut, Outlet::StdErr].map(|outlet| streams.finish(outlet))
            }
            Ok(Flowing::GivenUp) => [Finish::TimedOut; 2],
            Err(error) => {
                // Both streams have lost their rest; the error is told once.
                self.with_driver(outlets[1], |driver, _| driver.feed_ended(Finish::Failed));
                self.with_driver(outlets[0], |driver, _| driver.fail(error));
                return;
            }
        };
        for (outlet, finish) in outlets.into_iter().zip(finishes) {
            self.with_driver(outlet, |driver, _| driver.feed_ended(finish));
        }
    }

    /// Hears all that inotify has to tell, and lets each FIFO's transfer know.
    pub(in crate::pump) fn look_at_fifos(&mut self) {
        let Some(ears) = &self.ears else { return };
        ears.listen();
        ears.take_news();
        let mut watched: Vec<Key> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(&slot.work, Work::Driver(driver) if driver.is_watched()))
            .map(|(key, _)| *key)
            .collect();
        watched.sort_unstable();
        for key in watched {
            self.with_driver(key, Driver::readers_did);
        }
    }
}
