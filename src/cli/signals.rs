//! SIGINT, SIGTERM and SIGHUP, as calls.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals as Waiting};
use signal_hook::low_level::emulate_default_handler;

/// The signals that ask for an end. From [`Signals::take`] on they do not end the process; they
/// wait until [`Signals::each`] says what they do.
#[derive(Debug)]
pub(super) struct Signals(Waiting);

impl Signals {
    /// Takes them from their defaults.
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self(Waiting::new([SIGINT, SIGTERM, SIGHUP])?))
    }

    /// Calls `act` for each signal, in a thread of its own. After [`PATIENCE`] of them, the next
    /// ends the process as if nobody had taken it.
    pub(super) fn each(self, mut act: impl FnMut(i32) + Send + 'static) -> io::Result<Taken> {
        let Self(mut waiting) = self;
        let (handle, first) = (waiting.handle(), Arc::new(AtomicI32::new(0)));
        let noted = Arc::clone(&first);
        let (tell, came) = bounded(1);
        let thread =
            thread::Builder::new().name("gantline-signals".to_owned()).spawn(move || {
                for (nth, signal) in waiting.forever().enumerate() {
                    let _ = noted.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
                    let _ = tell.try_send(());
                    if nth < PATIENCE {
                        act(signal);
                    } else {
                        let _ = emulate_default_handler(signal);
                    }
                }
            })?;
        Ok(Taken { handle, first, came, thread: Some(thread) })
    }
}

/// One signal stops, a second kills; who sends a third wants the prompt back.
const PATIENCE: usize = 2;

/// Signals that are being acted upon, until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    handle: Handle,
    first: Arc<AtomicI32>,
    /// Has something when one has come.
    came: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Taken {
    /// The signal that came first.
    pub(super) fn first(&self) -> Option<i32> {
        Some(self.first.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Waits for what may never come; not much longer than until a signal. None: it has not come.
    pub(super) fn wait_for<T>(&self, done: &Receiver<T>) -> Option<T> {
        if self.first().is_none() {
            select! {
                recv(done) -> came => return came.ok(),
                recv(self.came) -> _ => {}
            }
        }
        done.recv_timeout(LAST_WORDS).ok()
    }
}

/// How long somebody may take to take what is said last, when somebody wants an end.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Drop for Taken {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It only panics where `act` does.
            let _ = thread.join();
        }
    }
}
