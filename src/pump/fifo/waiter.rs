//! A thread that waits in open(2) for a FIFO's reader, where inotify is not to be had.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::sys::fifo::Fifo;

/// The wait for one FIFO's reader. Dropping it ends the wait, wherever the thread is by then.
#[derive(Debug)]
pub(crate) struct Waiter(Arc<Wait>);

#[derive(Debug)]
struct Wait {
    fifo: Fifo,
    /// The reading end that lets the thread's open return. It must stay open until that has: the
    /// thread may only be about to open.
    let_go: OnceLock<OwnedFd>,
}

impl Waiter {
    /// Starts the thread, which gives `opened` the writing end.
    ///
    /// # Errors
    /// No threads are left.
    pub(crate) fn start(
        fifo: &Fifo,
        opened: impl FnOnce(io::Result<OwnedFd>) + Send + 'static,
    ) -> io::Result<Self> {
        let wait = Arc::new(Wait { fifo: fifo.clone(), let_go: OnceLock::new() });
        let threads = Arc::clone(&wait);
        thread::Builder::new().name("gantline-open".into()).spawn(move || {
            let answer = loop {
                match threads.fifo.open_writer_and_wait() {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    answer => break answer,
                }
            };
            // First: whoever hears the answer finds the wait over.
            drop(threads);
            opened(answer);
        })?;
        Ok(Self(wait))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1 {
            return;
        }
        match self.0.fifo.open_reader() {
            Ok(reader) => {
                let _ = self.0.let_go.set(reader);
            }
            Err(error) => tracing::warn!(%error, "a thread that waits for a FIFO stays behind"),
        }
    }
}
