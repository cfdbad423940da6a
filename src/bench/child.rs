//! Child processes, heard all at once, and ended with the measurement.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Serialize;

use super::case::Case;
use super::error::BenchError;
use super::message::{Message, say};

/// Ends a measurement from another thread: its children are ended, and it returns.
#[derive(Debug, Clone, Default)]
pub struct Canceller(Arc<Mutex<Children>>);

#[derive(Debug, Default)]
struct Children {
    cancelled: bool,
    groups: Vec<Pid>,
}

impl Canceller {
    /// Ends it.
    pub fn cancel(&self) {
        let mut children = self.lock();
        children.cancelled = true;
        for group in &children.groups {
            // One that has ended is not reaped before it is forgotten: its number is nobody else's.
            let _ = killpg(*group, Signal::SIGTERM);
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    fn lock(&self) -> MutexGuard<'_, Children> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A child process and its process group; dropping it ends them.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Pid,
    canceller: Canceller,
}

impl Process {
    /// Starts it with both of its streams in our hands. A terminal's signals do not reach it.
    pub(super) fn spawn(
        name: &'static str,
        command: &mut Command,
        canceller: &Canceller,
    ) -> Result<Self, BenchError> {
        let failed = |source| BenchError::Spawn { name, source };
        // Held until the child is noted: a cancel comes before it or finds it.
        let mut children = canceller.lock();
        if children.cancelled {
            return Err(BenchError::Cancelled);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let child = command.spawn().map_err(failed)?;
        let group = Pid::from_raw(child.id().cast_signed());
        children.groups.push(group);
        Ok(Self { child, group, canceller: canceller.clone() })
    }

    /// Its standard input and output, the first time.
    pub(super) fn streams(&mut self) -> Option<(ChildStdin, BufReader<ChildStdout>)> {
        let (input, output) = (self.child.stdin.take()?, self.child.stdout.take()?);
        Some((input, BufReader::new(output)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not reaped yet, so its number is nobody else's.
        let _ = killpg(self.group, Signal::SIGTERM);
        let mut children = self.canceller.lock();
        children.groups.retain(|group| *group != self.group);
        drop(children);
        let _ = self.child.wait();
    }
}

/// Children that take part in one thing, and that say [`Message`]s.
pub(super) struct Crew {
    case: Case,
    canceller: Canceller,
    members: Vec<Member>,
    sender: Sender<(usize, Option<Message>)>,
    heard: Receiver<(usize, Option<Message>)>,
}

struct Member {
    name: &'static str,
    /// For what is said to it.
    input: ChildStdin,
    has_finished: bool,
    _process: Process,
}

impl Crew {
    pub(super) fn new(case: Case, canceller: &Canceller) -> Self {
        let (sender, heard) = crossbeam_channel::unbounded();
        Self { case, canceller: canceller.clone(), members: Vec::new(), sender, heard }
    }

    /// Starts a child, and gives its number.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        command: &mut Command,
    ) -> Result<usize, BenchError> {
        let mut process = Process::spawn(name, command, &self.canceller)?;
        let Some((input, output)) = process.streams() else {
            return Err(BenchError::Spawn { name, source: std::io::ErrorKind::Other.into() });
        };
        let (number, sender) = (self.members.len(), self.sender.clone());
        let listen = move || {
            for line in output.lines() {
                let Ok(line) = line else { break };
                let message = serde_json::from_str(&line).unwrap_or_else(|_| {
                    Message::Failed(format!("it said something unexpected: {line:?}"))
                });
                if sender.send((number, Some(message))).is_err() {
                    return;
                }
            }
            // The receiver may be gone.
            let _ = sender.send((number, None));
        };
        let listening = thread::Builder::new().name("gantline-bench".to_owned()).spawn(listen);
        listening.map_err(|source| BenchError::Spawn { name, source })?;
        self.members.push(Member { name, input, has_finished: false, _process: process });
        Ok(number)
    }

    /// How many there are; their numbers are below that.
    pub(super) fn size(&self) -> usize {
        self.members.len()
    }

    /// Says something to a child.
    pub(super) fn tell(&mut self, number: usize, what: &impl Serialize) {
        if let Some(member) = self.members.get_mut(number) {
            // A child that does not listen any more has said why.
            let _ = say(&mut member.input, what);
        }
    }

    /// The next thing that one of them says.
    ///
    /// # Errors
    /// It is a failure, or one of them has ended before it was done.
    pub(super) fn next(&mut self) -> Result<(usize, Message), BenchError> {
        loop {
            let Ok((number, message)) = self.heard.recv() else {
                return Err(BenchError::Cancelled);
            };
            if self.canceller.is_cancelled() {
                return Err(BenchError::Cancelled);
            }
            let Some(member) = self.members.get_mut(number) else { continue };
            let (case, name) = (self.case, member.name);
            match message {
                Some(Message::Failed(message)) => {
                    return Err(BenchError::Child { case, name, message });
                }
                Some(message) => {
                    member.has_finished = message.is_last();
                    return Ok((number, message));
                }
                None if member.has_finished => {}
                None => {
                    let message = "it ended before it was done".to_owned();
                    return Err(BenchError::Child { case, name, message });
                }
            }
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.members.iter().map(|member| member.name).collect();
        f.debug_tuple("Crew").field(&names).finish()
    }
}
