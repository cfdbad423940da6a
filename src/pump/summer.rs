//! Sums bytes beside the thread that moves them.
//!
//! A SHA-512 takes longer than all else that is done to a byte, so each worker of the pump has a second thread for it,
//! once there is something to sum. A few chunks may wait for that; then the worker waits for the oldest of them, which is
//! no longer than summing it would have taken itself.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::http::Sha512;

/// Bytes that are summed at once.
const CHUNK: usize = 256 << 10;

/// Chunks that may wait.
const WAITING: usize = 4;

/// Who sums for one worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summer(Rc<OnceCell<Option<Line>>>);

/// The way to the thread, which ends when it is dropped.
#[derive(Debug, Clone)]
struct Line {
    tasks: Sender<Task>,
    spare: Receiver<Vec<u8>>,
}

enum Task {
    Add(Arc<Mutex<Sha512>>, Vec<u8>),
    /// Tells when it is reached.
    Reach(Sender<()>),
}

/// One sum under way.
pub(crate) struct Summing {
    sum: Arc<Mutex<Sha512>>,
    /// What is too little yet.
    chunk: Vec<u8>,
    /// None: no thread could be had, and the sum is made here.
    line: Option<Line>,
}

impl Summer {
    /// Begins a sum.
    pub(crate) fn sum(&self) -> Summing {
        let line = self.0.get_or_init(|| {
            Line::new().inspect_err(|error| tracing::debug!(%error, "no thread for sums")).ok()
        });
        let sum = Arc::new(Mutex::new(Sha512::new()));
        Summing { sum, chunk: Vec::new(), line: line.clone() }
    }
}

impl Line {
    fn new() -> std::io::Result<Self> {
        let (tasks, given) = bounded(WAITING);
        // As many as can be under way, so that none is thrown away.
        let (back, spare) = bounded(WAITING + 2);
        // It takes the signals that its worker takes: none.
        thread::Builder::new().name("gantline-sums".to_owned()).spawn(move || {
            for task in given {
                match task {
                    Task::Add(sum, mut chunk) => {
                        add(&sum, &chunk);
                        chunk.clear();
                        let _ = back.try_send(chunk);
                    }
                    Task::Reach(reached) => drop(reached.send(())),
                }
            }
        })?;
        Ok(Self { tasks, spare })
    }
}

impl Summing {
    /// Adds what follows.
    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = CHUNK - self.chunk.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.chunk.extend_from_slice(now);
            bytes = later;
            if self.chunk.len() == CHUNK {
                self.hand_over();
            }
        }
    }

    fn hand_over(&mut self) {
        let Some(line) = &self.line else {
            add(&self.sum, &self.chunk);
            self.chunk.clear();
            return;
        };
        let spare = line.spare.try_recv().unwrap_or_default();
        let chunk = std::mem::replace(&mut self.chunk, spare);
        if let Err(refused) = line.tasks.send(Task::Add(Arc::clone(&self.sum), chunk))
            && let Task::Add(sum, chunk) = refused.into_inner()
        {
            add(&sum, &chunk);
        }
    }

    /// The sum of all, in hexadecimal.
    pub(crate) fn end(mut self) -> String {
        self.hand_over();
        if let Some(line) = &self.line {
            let (reached, wait) = bounded(1);
            if line.tasks.send(Task::Reach(reached)).is_ok() {
                let _ = wait.recv();
            }
        }
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *sum, Sha512::new()).end()
    }
}

impl fmt::Debug for Summing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summing").finish_non_exhaustive()
    }
}

fn add(sum: &Mutex<Sha512>, bytes: &[u8]) {
    sum.lock().unwrap_or_else(PoisonError::into_inner).add(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_go_on_beside_each_other_are_those_of_their_own_bytes() {
        let summer = Summer::default();
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * CHUNK + 5).collect();
        let mut sums = [1, 4096, CHUNK + 1].map(|piece| (piece * 7 / 2, summer.sum()));
        let pieces = sums.iter().map(|(piece, _)| bytes.chunks(*piece).count()).max().unwrap();
        for at in 0..pieces {
            for (piece, sum) in &mut sums {
                sum.add(bytes.chunks(*piece).nth(at).unwrap_or_default());
            }
        }
        for (_, sum) in sums {
            assert_eq!(sum.end(), Sha512::of(&bytes));
        }
        assert_eq!(summer.sum().end(), Sha512::of(b""));
    }
}
