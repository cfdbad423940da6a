//! Messages whose time has come, on their way to a slot that is free. No message is held here without one:
//! [`Due::has_room`] is asked before each [`Due::push`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::sync::Notify;

/// Messages whose time has come.
pub(super) struct Due<T> {
    taken: RefCell<VecDeque<T>>,
    more: Notify,
    /// Slots that wait.
    free: Cell<usize>,
}

impl<T> Default for Due<T> {
    fn default() -> Self {
        Self { taken: RefCell::default(), more: Notify::new(), free: Cell::default() }
    }
}

impl<T: Clone> Due<T> {
    /// A slot waits until this is dropped.
    pub(super) fn waits(&self) -> Waits<'_> {
        self.free.set(self.free.get() + 1);
        Waits(&self.free)
    }

    /// Whether more slots wait than messages are here.
    pub(super) fn has_room(&self) -> bool {
        self.taken.borrow().len() < self.free.get()
    }

    /// One more.
    pub(super) fn push(&self, taken: T) {
        self.taken.borrow_mut().push_back(taken);
        self.more.notify_one();
    }

    /// Waits for one. Nothing is lost if it is dropped.
    pub(super) async fn next(&self) -> T {
        loop {
            if let Some(taken) = self.taken.borrow_mut().pop_front() {
                // Another slot may wait for another.
                self.more.notify_one();
                return taken;
            }
            self.more.notified().await;
        }
    }

    /// What no slot has taken yet.
    pub(super) fn all(&self) -> Vec<T> {
        self.taken.borrow().iter().cloned().collect()
    }

    /// Takes what no slot has taken.
    pub(super) fn drain(&self) -> Vec<T> {
        self.taken.borrow_mut().drain(..).collect()
    }
}

/// A slot that waits.
pub(super) struct Waits<'a>(&'a Cell<usize>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
