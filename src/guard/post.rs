//! The post of the guard: what it was told, so that the next one can be told the same should it be killed.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;

use super::link::Link;
use super::{Message, Watch};
use crate::backoff::Backoff;

/// The guard of this process, and what it is to hold.
#[derive(Debug)]
pub(super) struct Post {
    guard: Guard,
    /// The last number that was given.
    number: u64,
    /// Whoever closes one strikes it out before that.
    held: BTreeMap<u64, Weak<OwnedFd>>,
    watched: BTreeMap<u64, Watch>,
}

/// Whether there is a guard.
#[derive(Debug)]
enum Guard {
    /// Nobody wants one, or there cannot be one.
    None,
    /// When it is first needed.
    Wanted,
    Begun(Link),
}

static POST: Mutex<Post> = Mutex::new(Post {
    guard: Guard::None,
    number: 0,
    held: BTreeMap::new(),
    watched: BTreeMap::new(),
});

/// The post of this process.
pub(super) fn lock() -> MutexGuard<'static, Post> {
    POST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has a guard begun when a FIFO is first held.
pub(crate) fn want() {
    let mut post = lock();
    if let Guard::None = post.guard {
        post.guard = Guard::Wanted;
    }
}

impl Post {
    /// Has a descriptor held. The number is for its [`release`](Self::release). None: there is no guard.
    pub(super) fn keep(&mut self, descriptor: &Arc<OwnedFd>) -> Option<u64> {
        if let Guard::Wanted = self.guard {
            self.begin_first();
        }
        let Guard::Begun(link) = &mut self.guard else { return None };
        self.number += 1;
        self.held.insert(self.number, Arc::downgrade(descriptor));
        expected(link.tell(&Message::Keep(self.number), Some(descriptor.as_fd())));
        Some(self.number)
    }

    /// Has a descriptor closed there, before it is closed here.
    pub(super) fn release(&mut self, number: u64) {
        self.held.remove(&number);
        if let Guard::Begun(link) = &mut self.guard {
            expected(link.ask(&Message::Release(number)));
        }
    }

    /// Has a container killed should we die. The number is for [`forget`](Self::forget).
    pub(super) fn watch(&mut self, engine: &str, container: &str) -> Option<u64> {
        if let Guard::None = self.guard {
            return None;
        }
        self.number += 1;
        let watch = Watch {
            number: self.number,
            engine: engine.to_owned(),
            container: container.to_owned(),
        };
        if let Guard::Begun(link) = &mut self.guard {
            expected(link.tell(&Message::Watch(watch.clone()), None));
        }
        self.watched.insert(self.number, watch);
        Some(self.number)
    }

    pub(super) fn forget(&mut self, number: u64) {
        self.watched.remove(&number);
        if let Guard::Begun(link) = &mut self.guard {
            expected(link.tell(&Message::Forget(number), None));
        }
    }

    /// Begins a guard that is told of one container and then left: for it, that is our end.
    pub(super) fn entrust(&self, engine: &str, container: &str, ends: &[OwnedFd]) -> Option<u32> {
        if let Guard::None = self.guard {
            return None;
        }
        let watch = Watch { number: 0, engine: engine.to_owned(), container: container.to_owned() };
        let begun = Link::begin().and_then(|mut link| {
            link.tell(&Message::Watch(watch), None)?;
            for (number, end) in (1..).zip(ends) {
                link.tell(&Message::Keep(number), Some(end.as_fd()))?;
            }
            Ok(link.leave())
        });
        begun.unwrap_or_else(|error| {
            tracing::warn!(%error, "no guard can be begun for a container that may still run");
            None
        })
    }

    fn begin_first(&mut self) {
        let begun = self.begin().and_then(|socket| {
            let attendant = thread::Builder::new().name("gantline-guard".to_owned());
            attendant.spawn(move || attend(socket))
        });
        if let Err(error) = begun {
            self.guard = Guard::None;
            tracing::warn!(%error, "no guard can be begun: {UNGUARDED}");
        }
    }

    /// Begins a guard and tells it all. Gives our end of the socket once more, which shows when it ends.
    fn begin(&mut self) -> io::Result<OwnedFd> {
        let mut link = Link::begin()?;
        let socket = link.socket()?;
        for (number, descriptor) in &self.held {
            // One that is gone is about to be struck out.
            if let Some(descriptor) = descriptor.upgrade() {
                expected(link.tell(&Message::Keep(*number), Some(descriptor.as_fd())));
            }
        }
        for watch in self.watched.values() {
            expected(link.tell(&Message::Watch(watch.clone()), None));
        }
        self.guard = Guard::Begun(link);
        Ok(socket)
    }
}

/// Waits for the end of each guard, and begins the next one.
fn attend(mut socket: OwnedFd) {
    // Signals are for the threads that were there before.
    let _ = SigSet::all().thread_block();
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let since = Instant::now();
        wait_for_end(&socket);
        if since.elapsed() > LONGEST_PAUSE {
            backoff.succeeded();
        }
        tracing::warn!("the guard is gone, and another one is begun: until then, {UNGUARDED}");
        socket = loop {
            let mut post = lock();
            if let Guard::Begun(link) = &mut post.guard {
                link.end();
            }
            match post.begin() {
                Ok(socket) => break socket,
                Err(error) => tracing::warn!(%error, "no guard can be begun: {UNGUARDED}"),
            }
            drop(post);
            thread::park_timeout(backoff.failed(None));
        };
        // Whoever kills each of them has no work made for the whole machine.
        thread::park_timeout(backoff.failed(None));
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Waits until the other end of the socket is closed, which nobody does but the end of its process.
fn wait_for_end(socket: &OwnedFd) {
    loop {
        // An end is told whatever is asked for.
        let mut waits = [PollFd::new(socket.as_fd(), PollFlags::empty())];
        match poll(&mut waits, PollTimeout::NONE) {
            Ok(0) | Err(Errno::EINTR | Errno::EAGAIN | Errno::ENOMEM) => {}
            _ => return,
        }
    }
}

/// A guard that was not told is gone; the next one will be.
fn expected(told: io::Result<()>) {
    if let Err(error) = told {
        tracing::debug!(%error, "the guard does not hear");
    }
}

const UNGUARDED: &str =
    "should this process be killed, a program may take a part of a file for the whole";
