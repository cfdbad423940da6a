//! How many are under way at once: for servers that want to see whether more would come.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Counts who is in it.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// Now, and at most so far.
    count: Mutex<(usize, usize)>,
    more: Condvar,
}

impl Crowd {
    /// Is in it until so many are, or for a moment; says how many were when it came.
    pub(crate) fn wait_for(&self, wanted: usize) -> usize {
        let mut count = self.count.lock().unwrap();
        count.0 += 1;
        count.1 = count.1.max(count.0);
        let came_as = count.0;
        self.more.notify_all();
        let is_small = |count: &mut (usize, usize)| count.0 < wanted;
        let waited = self.more.wait_timeout_while(count, MOMENT, is_small);
        waited.unwrap().0.0 -= 1;
        came_as
    }

    /// The most that were in it at once.
    pub(crate) fn most(&self) -> usize {
        self.count.lock().unwrap().1
    }
}

/// Whoever could come is there by then, on a busy machine as well.
const MOMENT: Duration = Duration::from_millis(25);
