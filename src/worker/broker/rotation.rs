//! Which of several queues comes next: the one that was served longest ago.

use std::collections::HashMap;

/// The order of the queues. kombu moves the queue that was served last to the end; so does this.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    /// When each was served, counted in messages.
    served: HashMap<String, u64>,
    count: u64,
}

impl Rotation {
    /// The queues in the order in which they are to be asked.
    pub(super) fn order(&self, queues: &[String]) -> Vec<String> {
        let mut order = queues.to_vec();
        order.sort_by_key(|queue| self.served.get(queue).copied());
        order
    }

    /// A message was taken from this one.
    pub(super) fn served(&mut self, queue: &str) {
        self.count += 1;
        self.served.insert(queue.to_owned(), self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_that_was_served_last_is_asked_last() {
        let queues = ["a", "b", "c"].map(str::to_owned);
        let mut rotation = Rotation::default();
        assert_eq!(rotation.order(&queues), ["a", "b", "c"]);
        rotation.served("a");
        assert_eq!(rotation.order(&queues), ["b", "c", "a"]);
        rotation.served("c");
        assert_eq!(rotation.order(&queues), ["b", "a", "c"]);
        rotation.served("c");
        rotation.served("b");
        assert_eq!(rotation.order(&queues), ["a", "c", "b"]);
    }
}
