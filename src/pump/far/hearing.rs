//! Whether the source's socket may wake the worker.
//!
//! While a sink takes nothing, each segment that arrives at the socket would be an edge, and a turn
//! in which nothing can be done. So a socket that has told often that there is more, when there was
//! no room for it, is not listened to until there is.

use mio::Interest;

/// Wake-ups for nothing before the socket is not listened to: a change of interest costs about as
/// much as one.
const WASTED_EDGES: u32 = 4;

/// What the worker has let epoll know about a socket.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hearing {
    /// Edges since the socket was last waited for, with no room for what they told of.
    wasted: u32,
    is_deaf: bool,
}

impl Hearing {
    /// An edge came; `is_needed` if it was waited for.
    pub(in crate::pump) fn edge(&mut self, is_needed: bool) {
        self.wasted = if is_needed { 0 } else { self.wasted.saturating_add(1) };
    }

    /// A wait begins, for the source or not: the interest to register, if it is another.
    pub(super) fn waits(&mut self, for_source: bool) -> Option<Interest> {
        let is_deaf = !for_source && (self.is_deaf || self.wasted >= WASTED_EDGES);
        if std::mem::replace(&mut self.is_deaf, is_deaf) == is_deaf {
            return None;
        }
        self.wasted = 0;
        // Registered with readable edges again, a socket that has bytes gives one at once.
        Some(if is_deaf { Interest::WRITABLE } else { Interest::READABLE | Interest::WRITABLE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_wakes_for_nothing_is_not_listened_to_until_it_is_waited_for() {
        let mut hearing = Hearing::default();
        assert_eq!(hearing.waits(true), None);
        for _ in 0..WASTED_EDGES {
            assert_eq!(hearing.waits(false), None);
            hearing.edge(false);
        }
        assert_eq!(hearing.waits(false), Some(Interest::WRITABLE));
        assert_eq!(hearing.waits(false), None);
        assert_eq!(hearing.waits(true), Some(Interest::READABLE | Interest::WRITABLE));
        hearing.edge(false);
        hearing.edge(true);
        hearing.edge(false);
        assert_eq!(hearing.waits(false), None);
    }
}
