//! One worker's loop: waits for edges, commands and deadlines, and gives turns.
//!
//! Whoever has something to do stands in a queue and gets a turn of bounded length; the loop
//! sleeps when the queue is empty, and nothing wakes it that has nothing to tell.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::driver::{Context, Driver, Tokens, Turn};
use super::error::PumpError;
use super::pool::Pool;
use super::reading::Glimpse;
use super::report::Finish;
use super::slot::{Command, Key, NewTransfer, Slot, Work};
use super::streams::{Flowing, Outlet, Streams};
use crate::http::Lookup;
use crate::sys::inotify::{Seen, Watches};

const WAKER: Token = Token(0);
const INOTIFY: Token = Token(1);

/// Events that are taken from epoll at once.
const EVENTS: usize = 256;

/// The loop of one worker.
pub(crate) struct Reactor {
    poll: Poll,
    commands: Receiver<Command>,
    mailbox: Mailbox,
    watches: Option<Watches>,
    /// What inotify has told and nobody has heard yet.
    sightings: Vec<Seen>,
    pool: Pool,
    slots: HashMap<Key, Slot>,
    ready: VecDeque<Key>,
    hungry: VecDeque<Key>,
    deadlines: BinaryHeap<Reverse<(Instant, Key)>>,
    /// The other sides of FIFOs that a thread waits in, until it answers.
    let_go: HashMap<Key, OwnedFd>,
    next_key: Key,
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
        self.waker.wake().map_err(|_| PumpError::Stopped)
    }
}

impl Reactor {
    pub(crate) fn new(buffers: usize) -> io::Result<(Self, Mailbox)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, commands) = crossbeam_channel::unbounded();
        let mailbox = Mailbox { commands: sender, waker };
        // Without inotify a thread waits for each reader instead, see `open`.
        let watches =
            Watches::new().inspect_err(|error| tracing::debug!(%error, "no inotify")).ok();
        if let Some(watches) = &watches {
            let descriptor = watches.as_fd().as_raw_fd();
            poll.registry().register(&mut SourceFd(&descriptor), INOTIFY, Interest::READABLE)?;
        }
        let reactor = Self {
            poll,
            commands,
            mailbox: mailbox.clone(),
            watches,
            sightings: Vec::new(),
            pool: Pool::new(buffers),
            slots: HashMap::new(),
            ready: VecDeque::new(),
            hungry: VecDeque::new(),
            deadlines: BinaryHeap::new(),
            let_go: HashMap::new(),
            next_key: 1,
        };
        Ok((reactor, mailbox))
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let now = Instant::now();
            let timeout = if self.ready.is_empty() && !self.has_sightings() {
                self.deadlines.peek().map(|Reverse((when, _))| when.saturating_duration_since(now))
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
                    token => self.edge(token, event.is_read_closed() || event.is_error()),
                }
            }
            // A command may have come between the wake-up and now; there may be several to one.
            while let Ok(command) = self.commands.try_recv() {
                if !self.obey(command) {
                    return;
                }
            }
            if self.has_sightings() {
                self.look_at_fifos();
            }
            self.expire(Instant::now());
            for _ in 0..self.ready.len() {
                if let Some(key) = self.ready.pop_front() {
                    self.give_turn(key);
                }
            }
            if self.pool.has_one() {
                for key in std::mem::take(&mut self.hungry) {
                    self.enqueue(key);
                }
            }
        }
    }

    /// Whether inotify has told something that nobody has heard.
    fn has_sightings(&self) -> bool {
        !self.sightings.is_empty() || self.watches.as_ref().is_some_and(Watches::has_unheard)
    }

    fn enqueue(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(&key)
            && !std::mem::replace(&mut slot.is_queued, true)
        {
            self.ready.push_back(key);
        }
    }

    fn edge(&mut self, token: Token, is_last: bool) {
        let key = Key::try_from(token.0 / 2).unwrap_or_default();
        if let Some(slot) = self.slots.get_mut(&key) {
            if let Work::Driver(driver) = &mut slot.work {
                driver.became_ready(token, is_last);
            }
            self.enqueue(key);
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(Reverse((when, key))) = self.deadlines.peek().copied() {
            if when > now {
                return;
            }
            self.deadlines.pop();
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            slot.armed = None;
            match slot.work.deadline() {
                Some(deadline) if deadline <= now => {
                    if let Work::Driver(driver) = &mut slot.work {
                        driver.timed_out(now);
                    }
                    self.enqueue(key);
                }
                _ => self.arm(key),
            }
        }
    }

    /// Sees to it that the loop wakes for a slot's deadline. An earlier one that has become a
    /// later one is found out when it comes, which is cheaper than taking it out of the heap.
    fn arm(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        let Some(deadline) = slot.work.deadline() else { return };
        if slot.armed.is_none_or(|armed| deadline < armed) {
            slot.armed = Some(deadline);
            self.deadlines.push(Reverse((deadline, key)));
        }
    }

    fn give_turn(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.is_queued = false;
        if let Work::Streams(_) = slot.work {
            self.give_streams_turn(key);
        } else {
            self.with_driver(key, |driver, context| driver.turn(context));
        }
    }

    /// Calls a driver and heeds how its turn ended.
    fn with_driver(&mut self, key: Key, call: impl FnOnce(&mut Driver, &mut Context<'_>) -> Turn) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        let Work::Driver(driver) = &mut slot.work else { return };
        let mut lookups = Vec::new();
        let mut context = Context {
            registry: self.poll.registry(),
            pool: &self.pool,
            watches: self.watches.as_ref(),
            now: Instant::now(),
            sightings: &mut self.sightings,
            lookups: &mut lookups,
        };
        let turn = call(driver, &mut context);
        for lookup in lookups {
            self.look_up(key, lookup);
        }
        match turn {
            Turn::Again => self.enqueue(key),
            Turn::Hungry => self.hungry.push_back(key),
            Turn::Wait => {}
            Turn::Over => {
                self.remove(key);
                return;
            }
        }
        self.arm(key);
    }

    fn remove(&mut self, key: Key) {
        let Some(slot) = self.slots.remove(&key) else { return };
        if let Work::Driver(driver) = &slot.work {
            driver.deregister(self.poll.registry());
            if let Some(other_side) = driver.let_go() {
                self.let_go.insert(key, other_side);
            }
            if let (Some(watches), Some(watch)) = (&self.watches, driver.watch()) {
                // The FIFO may be gone, and its watch with it.
                let _ = watches.remove(watch);
            }
        }
    }

    fn give_streams_turn(&mut self, key: Key) {
        let Some(mut slot) = self.slots.remove(&key) else { return };
        let Work::Streams(streams) = &mut slot.work else { return };
        let outlets = slot.outlets;
        let mut fed = Vec::new();
        let outcome = streams.turn(Instant::now(), |outlet, bytes| {
            let to = match outlet {
                Outlet::StdOut => outlets[0],
                Outlet::StdErr => outlets[1],
            };
            if let Some(Slot { work: Work::Driver(driver), .. }) = self.slots.get_mut(&to)
                && driver.feed(bytes) == Turn::Again
                && !fed.contains(&to)
            {
                fed.push(to);
            }
        });
        for key in fed {
            self.enqueue(key);
        }
        let finish = match outcome {
            Ok(Flowing::Again) | Ok(Flowing::Wait) => {
                self.slots.insert(key, slot);
                if let Ok(Flowing::Again) = outcome {
                    self.enqueue(key);
                }
                self.arm(key);
                return;
            }
            Ok(Flowing::Ended) => Finish::Complete,
            Ok(Flowing::GivenUp) => Finish::TimedOut,
            Err(error) => {
                // Both streams have lost their rest; the error is told once.
                self.with_driver(outlets[1], |driver, _| driver.feed_ended(Finish::Failed));
                self.with_driver(outlets[0], |driver, _| driver.fail(error));
                return;
            }
        };
        for outlet in outlets {
            self.with_driver(outlet, |driver, _| driver.feed_ended(finish));
        }
    }

    /// Hears all that inotify has to tell, then lets each FIFO's transfer know.
    fn look_at_fifos(&mut self) {
        let Some(watches) = &self.watches else { return };
        loop {
            match watches.seen() {
                Ok(seen) if seen.is_empty() => break,
                Ok(seen) => self.sightings.extend(seen),
                Err(error) => {
                    tracing::debug!(%error, "inotify failed");
                    self.sightings.push(Seen::Overflow);
                    break;
                }
            }
        }
        let mut watched: Vec<Key> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(&slot.work, Work::Driver(d) if d.watch().is_some()))
            .map(|(key, _)| *key)
            .collect();
        watched.sort_unstable();
        for key in watched {
            self.with_driver(key, |driver, context| {
                let Some(watch) = driver.watch() else { return Turn::Wait };
                let glimpses = Glimpse::of(watch, context.sightings);
                driver.glimpsed(&glimpses, context)
            });
        }
        // What is left was seen of watches that are over.
        self.sightings.clear();
    }

    fn look_up(&self, key: Key, lookup: Lookup) {
        let mailbox = self.mailbox.clone();
        let spawned = thread::Builder::new().name("gantline-lookup".into()).spawn(move || {
            // A worker that is gone has no use for it.
            let _ = mailbox.send(Command::Resolved(key, lookup.run()));
        });
        if let Err(error) = spawned {
            let _ = self.mailbox.send(Command::Resolved(key, Err(error)));
        }
    }

    /// Does what a command says. False: stop.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Add(new, reply) => {
                // Whoever asked and does not wait any more has dropped the flow, too.
                let _ = reply.send(self.add(*new).map(drop));
            }
            Command::Attach { attach, outlets, reply } => {
                let _ = reply.send(self.attach(attach, *outlets));
            }
            Command::ContainerExited(flow) => self.container_exited(flow),
            Command::Cancel(flow) => {
                for key in self.keys_of(flow) {
                    self.with_driver(key, |driver, _| driver.cancel());
                    self.remove(key);
                }
            }
            Command::Resolved(key, addresses) => self.resolved(key, addresses),
            Command::Opened(key, writer) => {
                self.let_go.remove(&key);
                self.with_driver(key, |driver, context| driver.opened_by_thread(writer, context));
            }
            Command::Stop => return false,
        }
        true
    }

    fn resolved(&mut self, key: Key, addresses: io::Result<Vec<SocketAddr>>) {
        self.with_driver(key, |driver, _| {
            driver.resolved(addresses);
            Turn::Again
        });
    }

    fn add(&mut self, new: NewTransfer) -> Result<Key, PumpError> {
        let key = self.next_key;
        self.next_key += 1;
        let number = usize::try_from(key).unwrap_or(usize::MAX);
        let tokens = Tokens { source: Token(number * 2), sink: Token(number * 2 + 1) };
        let flow = new.flow;
        let mut driver = new.into_driver(tokens, self.watches.as_ref())?;
        driver.begin(self.poll.registry()).map_err(PumpError::from_begin)?;
        if driver.needs_a_thread() {
            let mailbox = self.mailbox.clone();
            driver
                .wait_in_thread(move |writer| {
                    let _ = mailbox.send(Command::Opened(key, writer));
                })
                .map_err(PumpError::OpenFifo)?;
        }
        self.slots.insert(key, Slot::new(flow, Work::Driver(Box::new(driver))));
        self.enqueue(key);
        Ok(key)
    }

    fn attach(
        &mut self,
        attach: super::streams::Attach,
        outlets: [NewTransfer; 2],
    ) -> Result<(), PumpError> {
        let [stdout, stderr] = outlets;
        let flow = stdout.flow;
        let stdout = self.add(stdout)?;
        let stderr = self.add(stderr).inspect_err(|_| self.remove(stdout))?;
        let key = self.next_key;
        self.next_key += 1;
        let streams = Streams::new(attach);
        let token = Token(usize::try_from(key).unwrap_or(usize::MAX) * 2);
        let descriptor = streams.descriptor().as_raw_fd();
        self.poll
            .registry()
            .register(&mut SourceFd(&descriptor), token, Interest::READABLE)
            .map_err(PumpError::Register)
            .inspect_err(|_| {
                self.remove(stdout);
                self.remove(stderr);
            })?;
        let mut slot = Slot::new(flow, Work::Streams(Box::new(streams)));
        slot.outlets = [stdout, stderr];
        self.slots.insert(key, slot);
        self.enqueue(key);
        Ok(())
    }

    fn keys_of(&self, flow: u64) -> Vec<Key> {
        let mut keys: Vec<Key> =
            self.slots.iter().filter(|(_, slot)| slot.flow == flow).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys
    }

    fn container_exited(&mut self, flow: u64) {
        // What its readers did last comes before their end, and may be a failure.
        self.look_at_fifos();
        for key in self.keys_of(flow) {
            if let Some(Slot { work: Work::Streams(streams), .. }) = self.slots.get_mut(&key) {
                streams.container_exited(Instant::now());
                self.enqueue(key);
                self.arm(key);
            } else {
                self.with_driver(key, |driver, _| driver.container_exited());
            }
        }
    }
}
