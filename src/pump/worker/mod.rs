//! The pump's threads, and the handles by which they are told what to do.

mod alarms;
mod obey;
pub(in crate::pump) mod reactor;
pub(in crate::pump) mod slot;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow};
use tracing::Span;

use crate::pump::driver::Notify;
use crate::pump::end::{Sink, Source};
use crate::pump::error::PumpError;
use crate::pump::options::Options;
use crate::pump::report::Notice;
use crate::pump::streams::{Attach, Successor};
use crate::pump::worker::reactor::{Mailbox, Reactor, Senses};
use crate::pump::worker::slot::{Command, NewSource, NewTransfer};

/// Worker threads that move bytes, for as many runs as there are. Dropping it stops them, and
/// cancels what is not over.
pub struct Pump {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    workers: Vec<Mailbox>,
    options: Options,
    next_flow: AtomicU64,
    next_worker: AtomicUsize,
}

impl Pump {
    /// Starts the threads. They take no signals.
    ///
    /// # Errors
    /// No descriptors (an epoll instance, an event counter) or threads are left.
    pub fn start(options: Options) -> Result<Self, PumpError> {
        let count = options.workers.max(1);
        let buffers = options.buffers.div_ceil(count).max(1);
        let connections = options.connections;
        let (mut workers, mut threads) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let started = (0..count).try_for_each(|number| {
            let senses = Senses::new()?;
            let mailbox = senses.mailbox();
            let name = format!("gantline-pump-{number}");
            threads.push(without_signals(|| {
                thread::Builder::new()
                    .name(name)
                    .spawn(move || Reactor::new(senses, buffers, connections).run())
            })?);
            workers.push(mailbox);
            Ok(())
        });
        let started = started.map_err(PumpError::Start);
        let shared = Shared {
            workers,
            options,
            next_flow: AtomicU64::new(0),
            next_worker: AtomicUsize::new(0),
        };
        let pump = Self { shared: Arc::new(shared), threads };
        // Dropped on an error, it stops those that were started.
        started.map(|()| pump)
    }

    /// A place for one run's transfers. `notify` is called in the workers' threads. What they log belongs to the span
    /// that is entered now.
    pub fn flow(&self, notify: Arc<dyn Fn(Notice) + Send + Sync>) -> Flow {
        let number = self.shared.next_flow.fetch_add(1, Ordering::Relaxed);
        let (shared, span) = (Arc::clone(&self.shared), Span::current());
        Flow { shared, number, notify, output: OnceLock::new(), span }
    }
}

/// Starts a thread that takes no signals, from its first moment on: a splice into a pipe that nobody
/// reads raises SIGPIPE, and a host program's handlers for other signals belong to its own threads.
fn without_signals<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let started = start();
    before.thread_set_mask()?;
    started
}

impl Drop for Pump {
    fn drop(&mut self) {
        for worker in &self.shared.workers {
            // One that is gone needs no stopping.
            let _ = worker.send(Command::Stop);
        }
        for thread in self.threads.drain(..) {
            // A notice may have held what held the last handle of us; nobody can join itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// The transfers of one run. Dropping it cancels those that are not over.
pub struct Flow {
    shared: Arc<Shared>,
    number: u64,
    notify: Notify,
    /// The worker that takes the container's output.
    output: OnceLock<Mailbox>,
    /// What is logged of them, in the workers' threads, belongs to it.
    span: Span,
}

impl Flow {
    /// Adds a transfer and begins it. `id` is the caller's number for it, in its notices.
    ///
    /// # Errors
    /// An end cannot be opened or watched, or the request cannot be sent.
    pub fn add(&self, id: usize, source: Source, sink: Sink) -> Result<(), PumpError> {
        let new = self.transfer(id, NewSource::Given(source), sink);
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.next_worker()?.send(Command::Add(Box::new(new), reply))?;
        answer.recv().map_err(|_| PumpError::Stopped)?
    }

    /// Takes a container's output, for two transfers: standard output's and standard error's.
    ///
    /// # Errors
    /// A sink cannot be used, or the socket cannot be watched.
    pub fn attach(
        &self,
        attach: Attach,
        stdout: (usize, Sink),
        stderr: (usize, Sink),
    ) -> Result<(), PumpError> {
        let outlets = [stdout, stderr].map(|(id, sink)| {
            let folder = self.shared.options.spool_folder.clone();
            self.transfer(id, NewSource::Fed(folder), sink)
        });
        let (reply, answer) = crossbeam_channel::bounded(1);
        let worker = self.next_worker()?;
        worker.send(Command::Attach { attach, outlets: Box::new(outlets), reply })?;
        answer.recv().map_err(|_| PumpError::Stopped)??;
        self.output.get_or_init(|| worker.clone());
        Ok(())
    }

    /// A connection takes the place of one that broke off: see
    /// [`Attach::that_may_go_on`](super::Attach::that_may_go_on).
    pub fn output_goes_on(&self, successor: Successor) {
        self.tell_of_output(Command::OutputGoesOn(self.number, Box::new(successor)));
    }

    /// Some of the container's output is missing, or may be: its transfers will be
    /// [`Incomplete`](super::Finish::Incomplete).
    pub fn output_lacks(&self) {
        self.tell_of_output(Command::OutputLacks(self.number));
    }

    /// The end of a connection was the output's, although it was [late](super::OutputEnd::Late).
    pub fn output_was_all(&self) {
        self.tell_of_output(Command::OutputWasAll(self.number));
    }

    /// No connection takes the place of one that broke off: what has come of the output is all.
    pub fn output_given_up(&self) {
        self.tell_of_output(Command::OutputGivenUp(self.number));
    }

    fn tell_of_output(&self, command: Command) {
        if let Some(worker) = self.output.get() {
            // A worker that is gone has no transfers.
            let _ = worker.send(command);
        }
    }

    /// The container has exited, or was killed, or will never start. Transfers into its FIFOs are
    /// over; what it has written is still delivered, and silence of its output has a bound.
    pub fn container_exited(&self) {
        self.tell_all(|| Command::ContainerExited(self.number));
    }

    /// Ends all transfers at once. Each is reported.
    pub fn cancel(&self) {
        self.tell_all(|| Command::Cancel(self.number));
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for worker in &self.shared.workers {
            // A worker that is gone has no transfers.
            let _ = worker.send(command());
        }
    }

    fn transfer(&self, id: usize, source: NewSource, sink: Sink) -> NewTransfer {
        let (notify, span) = (Arc::clone(&self.notify), self.span.clone());
        NewTransfer { flow: self.number, id, source, sink, notify, span }
    }

    /// Takes the workers in turn.
    fn next_worker(&self) -> Result<&Mailbox, PumpError> {
        let turn = self.shared.next_worker.fetch_add(1, Ordering::Relaxed);
        let count = self.shared.workers.len().max(1);
        self.shared.workers.get(turn % count).ok_or(PumpError::Stopped)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Pump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").field("workers", &self.threads.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").field("number", &self.number).finish_non_exhaustive()
    }
}
