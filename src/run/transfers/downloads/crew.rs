//! The threads that list and that fetch what is small, beside the pump: a few for all files.
//!
//! Those of one kind wait for Girder, at most [`MOST`] at once, and as many as it bears. Each of them starts
//! another while there is work that nobody waits for. A file that is large, or that fails, goes to the pump.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};

use super::board::Board;
use super::error::DownloadError;
use super::found::Found;
use super::listing::{Listing, Stop};
use super::small;
use super::wanted::Wanted;
use crate::event::Ledger;
use crate::http::{self, Get, Lane, LaneBody, LaneError, Pool, Stopper, Window};
use crate::run::error::Cause;
use crate::span::carried;
use crate::spec::Verify;
use crate::store::{Archive, Store};
use crate::volume::Place;

/// What a crew works on.
pub(super) struct Task {
    pub(super) listings: Vec<Listing>,
    pub(super) store: Store,
    pub(super) http: http::Client,
    /// By their place in the plan.
    pub(super) places: Arc<Vec<Arc<Place>>>,
    pub(super) found: Arc<Found>,
    pub(super) ledger: Ledger,
    /// What files are held against.
    pub(super) verify: Verify,
}

/// A crew at work. Dropping it stops it: nothing is put into a volume any more then.
pub(super) struct AtWork {
    shared: Arc<Shared>,
    /// Files for the pump. It ends when everything is listed.
    pub(super) large: Receiver<Box<Wanted>>,
    /// Why it cannot go on.
    pub(super) failures: UnboundedReceiver<Cause>,
    stopper: Option<Stopper>,
}

/// One of a crew.
#[derive(Clone)]
pub(super) struct Crew {
    shared: Arc<Shared>,
    large: Sender<Box<Wanted>>,
}

struct Shared {
    board: Board<Listing, Wanted>,
    store: Store,
    lane: Lane,
    archives: Lane,
    /// False once the server has refused one.
    has_archives: AtomicBool,
    places: Arc<Vec<Arc<Place>>>,
    found: Arc<Found>,
    ledger: Ledger,
    verify: Verify,
    failures: UnboundedSender<Cause>,
    /// Whether anything may be put into volumes. Held while something is.
    is_open: RwLock<bool>,
    listers: AtomicU32,
    fetchers: AtomicU32,
}

impl AtWork {
    /// Begins.
    ///
    /// # Errors
    /// There is no thread or no descriptor for it.
    pub(super) fn begin(task: Task) -> Result<Self, Cause> {
        let failed = |source| DownloadError::Start { source };
        let (pool, stopper) = Pool::new(task.http).map_err(failed)?;
        let listings = pool.lane(Window::new(MOST), task.store.patience());
        // As many as Girder tells in a page are found ahead, whatever the size of the folder.
        let (large, for_the_pump) = channel(AHEAD);
        let (failures, failed_with) = unbounded_channel();
        let shared = Arc::new(Shared {
            board: Board::new(task.listings),
            store: task.store.over(Arc::new(listings)),
            // What fails goes to the pump, which has more patience.
            lane: pool.lane(Window::new(MOST), Duration::ZERO),
            archives: pool.lane(Window::new(ARCHIVES), Duration::ZERO),
            has_archives: AtomicBool::new(true),
            places: task.places,
            found: task.found,
            ledger: task.ledger,
            verify: task.verify,
            failures,
            is_open: RwLock::new(true),
            listers: AtomicU32::new(0),
            fetchers: AtomicU32::new(0),
        });
        let first = Crew { shared: Arc::clone(&shared), large };
        shared.listers.fetch_add(1, Ordering::Relaxed);
        spawn("gantline-list", move || first.list()).map_err(failed)?;
        Ok(Self { shared, large: for_the_pump, failures: failed_with, stopper: Some(stopper) })
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.shared.board.stop();
        // Whoever waits for Girder does not any more.
        self.stopper = None;
        *self.shared.is_open.write().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl Crew {
    pub(super) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.shared.lane
    }

    pub(super) fn found(&self) -> &Found {
        &self.shared.found
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    pub(super) fn verify(&self) -> Verify {
        self.shared.verify
    }

    /// Whether the server is not known to be one without archives.
    pub(super) fn may_have_archives(&self) -> bool {
        self.shared.has_archives.load(Ordering::Relaxed)
    }

    /// Begins to read an archive, if the server has it.
    pub(super) fn open_archive(&self, get: &Get) -> Option<Archive<LaneBody<'_>>> {
        if !self.may_have_archives() {
            return None;
        }
        match self.shared.archives.open(get) {
            Ok(body) => Some(Archive::new(body)),
            Err(error) => {
                tracing::debug!(%error, "there is no zip: files are asked for one by one");
                let may_come = matches!(&error, LaneError::Http(error) if error.is_transient());
                if !may_come {
                    self.shared.has_archives.store(false, Ordering::Relaxed);
                }
                None
            }
        }
    }

    /// More to list, the last of them first.
    pub(super) fn list_folders(&self, folders: Vec<Listing>) {
        self.shared.board.list_folders(folders);
    }

    /// More to list.
    pub(super) fn list_items(&self, items: Vec<Listing>) {
        self.shared.board.list_items(items);
    }

    /// Has a file fetched.
    pub(super) fn fetch(&self, wanted: Wanted) -> Result<(), Stop> {
        let is_small = wanted.size.is_some_and(|size| size <= small::MOST as u64);
        if !is_small || !(self.shared.board.is_fetcher_idle() || self.hire_fetcher()) {
            return self.hand_over(wanted);
        }
        self.shared.board.fetch(wanted);
        Ok(())
    }

    /// Leaves a file to the pump.
    pub(super) fn hand_over(&self, wanted: Wanted) -> Result<(), Stop> {
        self.large.blocking_send(Box::new(wanted)).map_err(|_| Stop::Unheard)
    }

    /// Makes a folder in the volume of a download.
    pub(super) fn make_folder(&self, download: usize, inside: &Path) -> Result<(), Stop> {
        self.put(download, |place| place.folder(inside).map(drop).map_err(Cause::Volume))
    }

    /// Puts something into the volume of a download, unless the run is over.
    pub(super) fn put(
        &self,
        download: usize,
        put: impl FnOnce(&Place) -> Result<(), Cause>,
    ) -> Result<(), Stop> {
        let is_open = self.shared.is_open.read().unwrap_or_else(PoisonError::into_inner);
        if !*is_open {
            return Err(Stop::Unheard);
        }
        let place = self.shared.places.get(download);
        put(place.ok_or(Stop::Failed(Cause::Bug("a download without a volume")))?)
            .map_err(Stop::Failed)
    }

    fn list(&self) {
        let _watch = Watch(self);
        while let Some((listing, is_more)) = self.shared.board.next_listing() {
            if is_more {
                self.hire_lister();
            }
            let listed = listing.list(self);
            self.ends(listed);
            self.shared.board.listed();
        }
    }

    fn fetch_all(&self) {
        let _watch = Watch(self);
        let mut buffer = Vec::new();
        while let Some(wanted) = self.shared.board.next_file() {
            let fetched = small::fetch(self, wanted, &mut buffer);
            self.ends(fetched);
        }
    }

    fn ends(&self, ended: Result<(), Stop>) {
        if let Err(stop) = ended {
            if let Stop::Failed(cause) = stop
                && !self.shared.board.is_stopped()
            {
                // A run that is over does not want to know.
                let _ = self.shared.failures.send(cause);
            }
            self.shared.board.stop();
        }
    }

    fn hire_lister(&self) {
        let another = self.clone();
        hire(&self.shared.listers, "gantline-list", move || another.list());
    }

    /// Whether there is one at all.
    fn hire_fetcher(&self) -> bool {
        let another = self.clone();
        hire(&self.shared.fetchers, "gantline-fetch", move || another.fetch_all())
    }
}

/// A thread that panics ends the run: nobody would hear that what it had taken is over.
struct Watch<'a>(&'a Crew);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.ends(Err(Stop::Failed(Cause::Bug("a download panicked"))));
        }
    }
}

/// Starts another thread if there may be more. Whether there is one.
fn hire(count: &AtomicU32, name: &str, work: impl FnOnce() + Send + 'static) -> bool {
    if count.fetch_add(1, Ordering::Relaxed) < MOST {
        match spawn(name, work) {
            Ok(()) => return true,
            Err(error) => tracing::debug!(%error, "there is no thread for more downloads"),
        }
    }
    count.fetch_sub(1, Ordering::Relaxed) > 1
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(carried(work)).map(drop)
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("board", &self.shared.board).finish_non_exhaustive()
    }
}

/// Listings, and small files, that are asked for at the same time.
const MOST: u32 = 16;

/// Archives that are read at the same time, each by one who would list.
const ARCHIVES: u32 = 4;

/// Large files that are listed and that the pump has not begun.
const AHEAD: usize = 50;
