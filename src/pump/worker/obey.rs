//! What a worker does when it is told to: adds transfers, takes a container's output, ends them.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::http::Lookup;
use crate::pump::error::PumpError;
use crate::pump::far::fetch::Ticket;
use crate::pump::streams::{Attach, Streams, Successor};
use crate::pump::turn::{Tokens, Turn};
use crate::pump::worker::reactor::Reactor;
use crate::pump::worker::slot::{Command, Key, NewTransfer, Slot, Work};

impl Reactor {
    /// Does what a command says. False: stop.
    pub(in crate::pump) fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Add(new, reply) => {
                // Whoever asked and does not wait any more has dropped the flow, too.
                let _ = reply.send(self.add(*new).map(drop));
            }
            Command::Attach { attach, outlets, reply } => {
                let _ = reply.send(self.attach(attach, *outlets));
            }
            Command::OutputGoesOn(flow, successor) => self.output_goes_on(flow, *successor),
            Command::OutputLacks(flow) => self.with_streams(flow, Streams::lacks),
            Command::OutputWasAll(flow) => self.with_streams(flow, Streams::was_all),
            Command::OutputGivenUp(flow) => self.with_streams(flow, Streams::gives_up),
            Command::ContainerExited(flow) => self.container_exited(flow),
            Command::Cancel(flow) => {
                for key in self.keys_of(flow) {
                    self.with_driver(key, |driver, _| driver.cancel());
                    self.remove(key);
                }
            }
            Command::Resolved(key, ticket, addresses) => {
                self.with_driver(key, |driver, _| {
                    driver.resolved(ticket, addresses);
                    Turn::Again
                });
            }
            Command::Opened(key, writer) => {
                self.with_driver(key, |driver, context| driver.opened_by_thread(writer, context));
            }
            Command::Stop => return false,
        }
        true
    }

    fn add(&mut self, new: NewTransfer) -> Result<Key, PumpError> {
        let key = self.next_key;
        self.next_key += 1;
        let number = usize::try_from(key).unwrap_or(usize::MAX);
        let tokens = Tokens { source: Token(number * 2), sink: Token(number * 2 + 1) };
        let (flow, span) = (new.flow, new.span.clone());
        let _entered = span.enter();
        let mut driver = new.into_driver(tokens, self.ears.as_ref(), &self.summer)?;
        let mut begun = driver.begin(self.poll.registry()).map_err(PumpError::from_begin);
        if begun.is_ok() && driver.needs_a_thread() {
            let mailbox = self.mailbox.clone();
            let opened = move |writer| {
                // A worker that is gone has no use for it.
                let _ = mailbox.send(Command::Opened(key, writer));
            };
            begun = driver.wait_in_thread(opened);
        }
        let work = Work::Driver(Box::new(driver));
        self.slots.insert(key, Slot::new(flow, work, span.clone()));
        begun.inspect_err(|_| self.remove(key))?;
        self.enqueue(key);
        Ok(key)
    }

    fn attach(&mut self, attach: Attach, outlets: [NewTransfer; 2]) -> Result<(), PumpError> {
        let [stdout, stderr] = outlets;
        let (flow, notify, span) = (stdout.flow, Arc::clone(&stdout.notify), stdout.span.clone());
        let stdout = self.add(stdout)?;
        let stderr = self.add(stderr).inspect_err(|_| self.remove(stdout))?;
        let key = self.next_key;
        self.next_key += 1;
        let streams = Streams::new(attach);
        watch(self.poll.registry(), key, &streams).map_err(PumpError::Register).inspect_err(
            |_| {
                self.remove(stdout);
                self.remove(stderr);
            },
        )?;
        let mut slot = Slot::new(flow, Work::Streams(Box::new(streams), notify), span);
        slot.outlets = [stdout, stderr];
        self.slots.insert(key, slot);
        self.enqueue(key);
        Ok(())
    }

    fn output_goes_on(&mut self, flow: u64, successor: Successor) {
        for key in self.keys_of(flow) {
            let Some(Slot { work: Work::Streams(streams, _), span, .. }) = self.slots.get_mut(&key)
            else {
                continue;
            };
            let span = span.clone();
            let _entered = span.enter();
            streams.goes_on(successor, Instant::now());
            if let Err(error) = watch(self.poll.registry(), key, streams) {
                tracing::error!(%error, "the container's output cannot be watched");
                streams.gives_up();
            }
            self.enqueue(key);
            self.arm(key);
            return;
        }
    }

    /// Calls a flow's streams, and gives them a turn.
    fn with_streams(&mut self, flow: u64, call: impl Fn(&mut Streams)) {
        for key in self.keys_of(flow) {
            if let Some(Slot { work: Work::Streams(streams, _), .. }) = self.slots.get_mut(&key) {
                call(streams);
                self.enqueue(key);
                self.arm(key);
            }
        }
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
            self.with_driver(key, |driver, _| driver.container_exited());
        }
        self.with_streams(flow, |streams| streams.container_exited(Instant::now()));
    }

    pub(in crate::pump) fn look_up(&self, key: Key, ticket: Ticket, lookup: Lookup) {
        let mailbox = self.mailbox.clone();
        lookup.find(move |found| {
            // A worker that is gone has no use for it.
            let _ = mailbox.send(Command::Resolved(key, ticket, found));
        });
    }
}

/// Has the loop wake when a container's output has bytes.
fn watch(registry: &Registry, key: Key, streams: &Streams) -> io::Result<()> {
    let token = Token(usize::try_from(key).unwrap_or(usize::MAX) * 2);
    let descriptor = streams.descriptor().as_raw_fd();
    registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE)
}
