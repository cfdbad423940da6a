//! Files of Girder's that are put into volumes before the container starts.
//!
//! A `crew` of threads lists, and fetches what is `small`; what it still has to do is on a `board`. The pump moves
//! what is large, at most [`AT_ONCE`] files at a time, and other threads sum what has a checksum (`checksum`).
//! What came of each is `found`. All of it goes on beside the pull of the image. A file has a temporary name until
//! it is whole and has been checked.

mod board;
mod bundle;
mod checksum;
mod crew;
mod direct;
pub(crate) mod error;
mod found;
mod landing;
mod listing;
pub(crate) mod names;
mod small;
mod wanted;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use self::checksum::Checksum;
use self::crew::{AtWork, Task};
use self::direct::{Direct, find_direct};
use self::error::DownloadError;
use self::found::Found;
use self::listing::Listing;
use self::wanted::Wanted;
use crate::event::{Finish, Ledger, TransferId};
use crate::http;
use crate::plan::{Mount, PlanError, PlannedDownload};
use crate::pump::{Flow, Notice, Sink, Source, TransferReport};
use crate::run::error::Cause;
use crate::run::live::Live;
use crate::run::outcome::{DownloadCarrier, DownloadRecord};
use crate::volume::{Place, Placed, Record, UnfinishedFile};

/// Files that are downloaded at the same time.
const AT_ONCE: usize = 4;

/// Files that have come and are still being summed, at the same time: the next ones are not held up by them. Each
/// has a thread, and its end is read from the page cache if it is not too long ago.
const CHECKED_AT_ONCE: usize = 8;

/// What came of a run's downloads, also of those that failed.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    found: Arc<Found>,
    /// Those that this host has itself.
    direct: Vec<Direct>,
}

impl Fetched {
    /// Downloads everything that the plan says. Dropping it stops it, and what is not whole goes.
    pub(crate) async fn fetch(&mut self, live: &Live) -> Result<(), Cause> {
        if live.plan.downloads.is_empty() {
            return Ok(());
        }
        self.direct = find_direct(live).await;
        let direct: HashSet<_> = self.direct.iter().map(|direct| direct.download).collect();
        let planned = live.plan.downloads.iter().cloned().enumerate();
        let planned: Vec<_> = planned.filter(|(at, _)| !direct.contains(at)).collect();
        if planned.is_empty() {
            return Ok(());
        }
        refuse_same_places(&planned)?;
        let store = live.store.open().await?;
        let places = Arc::new(places(live)?);
        let listings = planned.into_iter().map(|(at, planned)| Listing::of(at, planned.what));
        let task = Task {
            listings: listings.collect(),
            store,
            http: live.shared.http.clone(),
            places: Arc::clone(&places),
            found: Arc::clone(&self.found),
            ledger: live.ledger.clone(),
            verify: live.plan.verify.unwrap_or(live.given.verify),
        };
        let mut crew = AtWork::begin(task)?;
        let mut is_listing = true;
        let mut transit = Transit::new(live, places);
        while is_listing || !transit.is_empty() {
            tokio::select! {
                Some(cause) = crew.failures.recv() => return Err(cause),
                wanted = crew.large.recv(), if is_listing && transit.has_room() => match wanted {
                    Some(wanted) => transit.begin(*wanted)?,
                    None => is_listing = false,
                },
                Some(notice) = transit.notices.recv(), if !transit.under_way.is_empty() => {
                    self.moved(notice, &mut transit)?;
                }
                Some(checked) = transit.checks.join_next() => {
                    self.checked(checked.map_err(|_| Cause::Bug("a checksum panicked"))?, &mut transit)?;
                }
            }
        }
        // The last of the crew may have failed.
        crew.failures.try_recv().map_or(Ok(()), Err)
    }

    fn moved(&self, notice: Notice, transit: &mut Transit) -> Result<(), Cause> {
        match notice {
            Notice::Advanced { id, bytes, total } => {
                transit.advanced(TransferId::new(id), bytes, total);
            }
            Notice::Failed { id, error } => {
                let id = TransferId::new(id);
                let Some(moving) = transit.under_way.remove(&id) else { return Ok(()) };
                let got = moving.file.metadata().map_or(0, |found| found.len());
                transit.ledger.ended(id, got, Finish::Failed);
                self.found.records(moving.record(got, Finish::Failed));
                let (file, total) = (moving.wanted.origin.label(), moving.wanted.size);
                return Err(DownloadError::Transfer { file, got, total, source: error }.into());
            }
            Notice::Opened { .. } | Notice::Refused { .. } | Notice::OutputBrokeOff { .. } => {}
            Notice::Ended { id, report } => {
                let id = TransferId::new(id);
                let Some(mut moving) = transit.under_way.remove(&id) else { return Ok(()) };
                transit.ledger.ended(id, report.bytes, report.finish);
                moving.report = Some(report);
                if report.finish != Finish::Complete {
                    self.found.records(moving.record(report.bytes, report.finish));
                    let (file, finish) = (moving.wanted.origin.label(), report.finish.as_str());
                    return Err(DownloadError::Stopped { file, finish }.into());
                }
                transit.checking += 1;
                transit.checks.spawn(moving.check(report.bytes));
            }
        }
        Ok(())
    }

    fn checked(&self, checked: Checked, transit: &mut Transit) -> Result<(), Cause> {
        transit.checking -= 1;
        let Checked { moving, bytes, error } = checked;
        if let Some(error) = error {
            self.found.records(moving.record(bytes, Finish::Failed));
            return Err(error.into());
        }
        self.found.records(moving.record(bytes, Finish::Complete));
        let file = moving.wanted.origin.label();
        let Moving { file: open, unfinished, .. } = moving;
        Ok(unfinished.keep(&open).map_err(|source| DownloadError::Place { file, source })?)
    }

    /// Gives the run what it has to know: the paths that arguments become, records, warnings.
    pub(crate) fn settle(self, live: &mut Live) {
        let found = self.found.take();
        for (download, inside) in found.paths {
            let Some(planned) = live.plan.downloads.get(download) else { continue };
            let path =
                format!("{}/{}", planned.target.as_str().trim_end_matches('/'), inside.display());
            live.resolved.paths.insert(download, path);
        }
        for direct in &self.direct {
            let Some(path) = direct.mount(&live.plan.mounts, &mut live.resolved.mounts) else {
                continue;
            };
            live.resolved.paths.insert(direct.download, path);
        }
        live.report.downloads = self.direct.iter().map(Direct::record).collect();
        live.report.downloads.extend(found.records);
        found.warnings.into_iter().for_each(|warning| live.warns(warning));
    }
}

/// The downloads that are under way.
struct Transit {
    flow: Flow,
    notices: UnboundedReceiver<Notice>,
    http: http::Client,
    ledger: Ledger,
    /// By their place in the plan.
    places: Arc<Vec<Arc<Place>>>,
    under_way: HashMap<TransferId, Moving>,
    checks: JoinSet<Checked>,
    checking: usize,
}

impl Transit {
    fn new(live: &Live, places: Arc<Vec<Arc<Place>>>) -> Self {
        let (sender, notices) = unbounded_channel();
        let flow = live.shared.pump.flow(Arc::new(move |notice| {
            // A run that is over wants no notices.
            let _ = sender.send(notice);
        }));
        Self {
            flow,
            notices,
            http: live.shared.http.clone(),
            ledger: live.ledger.clone(),
            places,
            under_way: HashMap::new(),
            checks: JoinSet::new(),
            checking: 0,
        }
    }

    fn has_room(&self) -> bool {
        self.under_way.len() < AT_ONCE && self.checking < CHECKED_AT_ONCE
    }

    fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.checking == 0
    }

    fn place(&self, download: usize) -> Result<&Place, Cause> {
        self.places
            .get(download)
            .map(|place| &**place)
            .ok_or(Cause::Bug("a download without a volume"))
    }

    fn begin(&mut self, wanted: Wanted) -> Result<(), Cause> {
        let id = self.ledger.next_id();
        let mark = format!("{id}-{}", self.ledger.run());
        let label = wanted.origin.label();
        let Placed { file, unfinished } = self
            .place(wanted.download)?
            .create(&wanted.inside, &mark)
            .map_err(|source| DownloadError::Place { file: label.clone(), source })?;
        let unshared = |source| DownloadError::Share { file: label.clone(), source };
        let sink = Sink::File(file.try_clone().map_err(unshared)?);
        let checksum = match &wanted.sha512 {
            Some(_) => Some(Checksum::begin(file.try_clone().map_err(unshared)?)),
            None => None,
        };
        let (client, get) = (self.http.clone(), wanted.get.clone());
        let source = Source::Http { client, get, size: wanted.size, sum: None };
        let shown = format!("{} → {}", wanted.origin.shown(), wanted.inside.display());
        self.ledger.began(id, shown, wanted.size);
        self.flow
            .add(id.number(), source, sink)
            .map_err(|source| DownloadError::Begun { file: label, source })?;
        let moving = Moving { wanted, file, unfinished, checksum, id, report: None };
        self.under_way.insert(id, moving);
        Ok(())
    }

    fn advanced(&self, id: TransferId, bytes: u64, total: Option<u64>) {
        let Some(moving) = self.under_way.get(&id) else { return };
        self.ledger.advanced(id, bytes, total);
        if let Some(checksum) = &moving.checksum {
            checksum.written(bytes);
        }
    }
}

/// One download that is under way.
#[derive(Debug)]
struct Moving {
    wanted: Wanted,
    file: File,
    unfinished: UnfinishedFile,
    checksum: Option<Checksum>,
    id: TransferId,
    report: Option<TransferReport>,
}

impl Moving {
    /// Waits for the checksum, if there is one, and compares it.
    async fn check(mut self, bytes: u64) -> Checked {
        let (checksum, expected) = (self.checksum.take(), self.wanted.sha512.as_deref());
        let error = match (checksum, expected) {
            (Some(checksum), Some(expected)) => match checksum.end(bytes).await {
                Ok(sum) if sum.eq_ignore_ascii_case(expected) => None,
                Ok(_) => Some(DownloadError::Checksum { file: self.wanted.origin.label() }),
                Err(source) => {
                    Some(DownloadError::ReadBack { file: self.wanted.origin.label(), source })
                }
            },
            _ => None,
        };
        Checked { moving: self, bytes, error }
    }

    fn record(&self, bytes: u64, finish: Finish) -> DownloadRecord {
        let carrier = self
            .report
            .map_or(DownloadCarrier::Unknown, |report| DownloadCarrier::Moved(report.carrier));
        let (file_id, item_id) = self.wanted.origin.clone().into_ids();
        DownloadRecord {
            id: Some(self.id),
            file_id,
            item_id,
            path: self.wanted.inside.display().to_string(),
            bytes,
            seconds: self.report.map_or(0.0, |report| report.seconds),
            carrier,
            resumed: self.report.map_or(0, |report| report.resumed),
            checked: self.wanted.sha512.is_some() && finish == Finish::Complete,
            finish,
        }
    }
}

/// A download that has come whole, and whether it is what it should be.
struct Checked {
    moving: Moving,
    bytes: u64,
    error: Option<DownloadError>,
}

/// Where each download is put, by its place in the plan: one for all of a volume.
fn places(live: &Live) -> Result<Vec<Arc<Place>>, Cause> {
    let mut open: HashMap<usize, Arc<Place>> = HashMap::new();
    let place = |mount: usize| match open.entry(mount) {
        Entry::Occupied(place) => Ok(Arc::clone(place.get())),
        Entry::Vacant(vacant) => {
            let folder = live.host_side(mount).ok_or(Cause::Bug("a volume without a folder"))?;
            let record = match live.plan.mounts.get(mount) {
                // What is in it goes with it.
                Some(Mount::Temporary { .. }) => Record::none(),
                _ => live.record.clone(),
            };
            let place = Place::open(folder, record).map_err(Cause::Volume)?;
            Ok(Arc::clone(vacant.insert(Arc::new(place))))
        }
    };
    live.plan.downloads.iter().map(|planned| planned.mount).map(place).collect()
}

/// The plan has let pass what might have been mounted.
fn refuse_same_places(planned: &[(usize, PlannedDownload)]) -> Result<(), Cause> {
    let mut named = HashSet::new();
    for (_, one) in planned {
        if let Some(name) = one.what.named_path()
            && !named.insert((one.mount, name))
        {
            let path = format!("{}/{name}", one.target.as_str());
            return Err(Cause::Plan(PlanError::DownloadedTwice { path }));
        }
    }
    Ok(())
}
