//! What is still to be listed and to be fetched, and who waits for it. It knows nothing of Girder.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The work of a crew: listings `L`, which make more of both kinds, and files `F`.
///
/// It holds little: a listing is given out only while there is room for files, and what makes many listings goes
/// on only when few are left.
#[derive(Debug)]
pub(super) struct Board<L, F> {
    state: Mutex<State<L, F>>,
    listings: Condvar,
    files: Condvar,
}

#[derive(Debug)]
struct State<L, F> {
    /// Folders: each makes many others. The last one goes first, so that a tree is gone through to its leaves.
    wide: Vec<L>,
    narrow: VecDeque<L>,
    files: VecDeque<F>,
    /// Listings that are given out, and may make more.
    listing: usize,
    idle: Idle,
    is_stopped: bool,
}

#[derive(Debug, Default)]
struct Idle {
    listers: usize,
    fetchers: usize,
}

impl<L, F> Board<L, F> {
    pub(super) fn new(listings: impl IntoIterator<Item = L>) -> Self {
        let state = State {
            wide: Vec::new(),
            narrow: listings.into_iter().collect(),
            files: VecDeque::new(),
            listing: 0,
            idle: Idle::default(),
            is_stopped: false,
        };
        Self { state: Mutex::new(state), listings: Condvar::new(), files: Condvar::new() }
    }

    /// The next listing, and whether there is another that nobody waits for. It is over when
    /// [`listed`](Self::listed) says so. None: there will be no more.
    pub(super) fn next_listing(&self) -> Option<(L, bool)> {
        let mut state = self.lock();
        loop {
            if state.is_stopped || state.is_listed() {
                return None;
            }
            if let Some(listing) = state.take_listing() {
                state.listing += 1;
                let is_more = state.has_listing() && state.idle.listers == 0;
                return Some((listing, is_more));
            }
            state.idle.listers += 1;
            state = self.listings.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle.listers -= 1;
        }
    }

    /// A listing is over.
    pub(super) fn listed(&self) {
        let mut state = self.lock();
        state.listing -= 1;
        if state.is_listed() {
            self.listings.notify_all();
            self.files.notify_all();
        }
    }

    /// More to list, before what there is: a folder goes on after what was found in it.
    pub(super) fn list_folders(&self, folders: impl IntoIterator<Item = L>) {
        let mut state = self.lock();
        state.wide.extend(folders);
        self.tell_listers(state);
    }

    /// More to list, in its turn.
    pub(super) fn list_items(&self, items: impl IntoIterator<Item = L>) {
        let mut state = self.lock();
        state.narrow.extend(items);
        self.tell_listers(state);
    }

    /// Whether somebody waits for a file.
    pub(super) fn is_fetcher_idle(&self) -> bool {
        self.lock().idle.fetchers > 0
    }

    /// A file to fetch.
    pub(super) fn fetch(&self, file: F) {
        let mut state = self.lock();
        state.files.push_back(file);
        let is_waited_for = state.idle.fetchers > 0;
        drop(state);
        if is_waited_for {
            self.files.notify_one();
        }
    }

    /// The next file. None: there will be no more.
    pub(super) fn next_file(&self) -> Option<F> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            if let Some(file) = state.files.pop_front() {
                if state.files.len() + 1 == AHEAD {
                    self.tell_listers(state);
                }
                return Some(file);
            }
            if state.is_listed() {
                return None;
            }
            state.idle.fetchers += 1;
            state = self.files.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle.fetchers -= 1;
        }
    }

    /// Nothing is given out any more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        state.wide.clear();
        state.narrow.clear();
        state.files.clear();
        drop(state);
        self.listings.notify_all();
        self.files.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Telling nobody costs a system call, too.
    fn tell_listers(&self, state: MutexGuard<'_, State<L, F>>) {
        let are_waiting = state.idle.listers > 0;
        drop(state);
        if are_waiting {
            self.listings.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<L, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L, F> State<L, F> {
    /// Whether nothing is to be listed any more, nor being listed.
    fn is_listed(&self) -> bool {
        self.listing == 0 && self.wide.is_empty() && self.narrow.is_empty()
    }

    fn has_listing(&self) -> bool {
        self.files.len() < AHEAD && !(self.wide.is_empty() && self.narrow.is_empty())
    }

    fn take_listing(&mut self) -> Option<L> {
        if !self.has_listing() {
            return None;
        }
        if self.narrow.len() < AHEAD
            && let Some(wide) = self.wide.pop()
        {
            return Some(wide);
        }
        self.narrow.pop_front().or_else(|| self.wide.pop())
    }
}

/// Of files that are listed and not fetched, and of items that are found and not listed, more are not looked for.
const AHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// A tree: so many folders below, so many items in it.
    struct Folder {
        depth: usize,
    }

    enum Listing {
        Folder(Folder),
        Item,
    }

    #[test]
    fn a_tree_is_listed_and_fetched_whole_by_many_and_never_much_ahead() {
        let board = Board::<Listing, ()>::new([Listing::Folder(Folder { depth: 4 })]);
        let fetched = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while let Some((listing, _)) = board.next_listing() {
                        match listing {
                            Listing::Folder(Folder { depth: 0 }) => {}
                            Listing::Folder(Folder { depth }) => {
                                let below = || Listing::Folder(Folder { depth: depth - 1 });
                                board.list_folders((0..5).map(|_| below()));
                                board.list_items((0..7).map(|_| Listing::Item));
                            }
                            Listing::Item => board.fetch(()),
                        }
                        board.listed();
                    }
                });
                scope.spawn(|| {
                    while board.next_file().is_some() {
                        fetched.fetch_add(1, Ordering::Relaxed);
                        let state = board.lock();
                        assert!(state.files.len() <= AHEAD + 8 && state.narrow.len() <= AHEAD + 56);
                    }
                });
            }
        });
        // Folders that have something in them: 1 + 5 + 25 + 125.
        assert_eq!(fetched.into_inner(), 156 * 7);
    }

    #[test]
    fn what_is_stopped_gives_nothing_out() {
        let board = Board::<u32, u32>::new([1, 2]);
        assert!(matches!(board.next_listing(), Some((1, true))));
        assert!(!board.is_fetcher_idle());
        board.fetch(3);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                assert_eq!(board.next_file(), Some(3));
                board.next_file()
            });
            while board.lock().idle.fetchers == 0 && !waiting.is_finished() {
                thread::yield_now();
            }
            board.stop();
            assert_eq!(waiting.join().unwrap(), None);
        });
        assert!(board.next_listing().is_none() && board.is_stopped());
    }

    #[test]
    fn nothing_to_list_is_the_end() {
        let board = Board::<(), ()>::new([]);
        assert!(board.next_listing().is_none());
        assert_eq!(board.next_file(), None);
    }
}
