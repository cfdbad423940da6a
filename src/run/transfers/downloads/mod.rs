//! Files of Girder's that are put into volumes before the container starts.
//!
//! A thread lists (`listing`), the pump moves, at most [`AT_ONCE`] files at a time, and another
//! thread sums what has a checksum (`checksum`). All of it goes on beside the pull of the image. A
//! file has a temporary name until it is whole and has been checked.

mod checksum;
mod direct;
pub(crate) mod error;
mod listing;
pub(crate) mod names;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, channel, unbounded_channel};
use tokio::task::JoinSet;

use self::checksum::Checksum;
use self::direct::{Direct, find_direct};
use self::error::DownloadError;
use self::listing::{Listed, list};
use crate::event::{Finish, Ledger, TransferId};
use crate::http::{self, Get};
use crate::plan::{Mount, PlanError, PlannedDownload};
use crate::pump::{Flow, Notice, Sink, Source, TransferReport};
use crate::run::blocking::blocking;
use crate::run::error::Cause;
use crate::run::live::Live;
use crate::run::outcome::{DownloadCarrier, DownloadRecord};
use crate::volume::{Place, Placed, Record, UnfinishedFile};

/// Files that are downloaded at the same time.
const AT_ONCE: usize = 4;

/// A file that is to be downloaded.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Its place in the plan.
    download: usize,
    id: String,
    /// Girder's.
    name: String,
    /// Its path in the volume.
    inside: PathBuf,
    size: Option<u64>,
    sha512: Option<String>,
    get: Get,
}

impl Wanted {
    /// What it is for people.
    fn label(&self) -> String {
        format!("the file {} ({:?}) of Girder", self.id, self.name)
    }
}

/// What came of a run's downloads, also of those that failed.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// By their place in the plan: the path inside the volume that the argument becomes.
    paths: HashMap<usize, PathBuf>,
    /// Those that this host has itself.
    direct: Vec<Direct>,
    records: Vec<DownloadRecord>,
    warnings: Vec<String>,
}

impl Fetched {
    /// Downloads everything that the plan says. Dropping it stops it, and what is not whole goes.
    pub(crate) async fn fetch(&mut self, live: &Live) -> Result<(), Cause> {
        if live.plan.downloads.is_empty() {
            return Ok(());
        }
        self.direct = find_direct(live).await;
        let is_direct = |at: &usize| self.direct.iter().any(|direct| direct.download == *at);
        let planned = live.plan.downloads.iter().cloned().enumerate();
        let planned: Vec<_> = planned.filter(|(at, _)| !is_direct(at)).collect();
        if planned.is_empty() {
            return Ok(());
        }
        refuse_same_places(&planned)?;
        let client = live.store.open().await?;
        let place = |planned: &PlannedDownload| {
            let folder =
                live.host_side(planned.mount).ok_or(Cause::Bug("a volume without a folder"))?;
            let record = match live.plan.mounts.get(planned.mount) {
                // What is in it goes with it.
                Some(Mount::Temporary { .. }) => Record::none(),
                _ => live.record.clone(),
            };
            Place::open(folder, record).map_err(Cause::Volume)
        };
        let places = live.plan.downloads.iter().map(place).collect::<Result<_, _>>()?;
        // As many as Girder tells in a page are found ahead, whatever the size of the folder.
        let (sender, mut listed) = channel(AHEAD);
        let mut lister = Box::pin(blocking(move || list(&client, &planned, &sender)));
        let mut is_listing = true;
        let mut transit = Transit::new(live, places);
        loop {
            tokio::select! {
                listing = &mut lister, if is_listing => {
                    listing?;
                    is_listing = false;
                }
                Some(listed) = listed.recv(), if transit.has_room() => self.told(listed, &mut transit)?,
                Some(notice) = transit.notices.recv(), if !transit.under_way.is_empty() => {
                    self.moved(notice, &mut transit)?;
                }
                Some(checked) = transit.checks.join_next() => {
                    self.checked(checked.map_err(|_| Cause::Bug("a checksum panicked"))?, &mut transit)?;
                }
                else => return Ok(()),
            }
        }
    }

    fn told(&mut self, listed: Listed, transit: &mut Transit) -> Result<(), Cause> {
        match listed {
            Listed::Path { download, inside } => {
                self.paths.insert(download, inside);
            }
            Listed::Folder { download, inside } => {
                transit.place(download)?.folder(&inside).map_err(Cause::Volume)?;
            }
            Listed::Warning(warning) => self.warnings.push(warning),
            Listed::File(wanted) => transit.begin(*wanted)?,
        }
        Ok(())
    }

    fn moved(&mut self, notice: Notice, transit: &mut Transit) -> Result<(), Cause> {
        match notice {
            Notice::Advanced { id, bytes, total } => {
                transit.advanced(TransferId::new(id), bytes, total);
            }
            Notice::Failed { id, error } => {
                let id = TransferId::new(id);
                let Some(moving) = transit.under_way.remove(&id) else { return Ok(()) };
                let got = moving.file.metadata().map_or(0, |found| found.len());
                transit.ledger.ended(id, got, Finish::Failed);
                self.records.push(moving.record(got, Finish::Failed));
                let (file, total) = (moving.wanted.label(), moving.wanted.size);
                return Err(failed(DownloadError::Transfer { file, got, total, source: error }));
            }
            Notice::Refused { .. } => {}
            Notice::Ended { id, report } => {
                let id = TransferId::new(id);
                let Some(mut moving) = transit.under_way.remove(&id) else { return Ok(()) };
                transit.ledger.ended(id, report.bytes, report.finish);
                moving.report = Some(report);
                if report.finish != Finish::Complete {
                    self.records.push(moving.record(report.bytes, report.finish));
                    let (file, finish) = (moving.wanted.label(), report.finish.as_str());
                    return Err(failed(DownloadError::Stopped { file, finish }));
                }
                transit.checking += 1;
                transit.checks.spawn(moving.check(report.bytes));
            }
        }
        Ok(())
    }

    fn checked(&mut self, checked: Checked, transit: &mut Transit) -> Result<(), Cause> {
        transit.checking -= 1;
        let Checked { moving, bytes, error } = checked;
        if let Some(error) = error {
            self.records.push(moving.record(bytes, Finish::Failed));
            return Err(failed(error));
        }
        self.records.push(moving.record(bytes, Finish::Complete));
        let file = moving.wanted.label();
        let Moving { file: open, unfinished, .. } = moving;
        unfinished.keep(&open).map_err(|source| failed(DownloadError::Place { file, source }))
    }

    /// Gives the run what it has to know: the paths that arguments become, records, warnings.
    pub(crate) fn settle(self, live: &mut Live) {
        for (download, inside) in self.paths {
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
        live.report.downloads.extend(self.records);
        self.warnings.into_iter().for_each(|warning| live.warns(warning));
    }
}

/// The downloads that are under way.
struct Transit {
    flow: Flow,
    notices: UnboundedReceiver<Notice>,
    http: http::Client,
    ledger: Ledger,
    /// By their place in the plan.
    places: Vec<Place>,
    under_way: HashMap<TransferId, Moving>,
    checks: JoinSet<Checked>,
    checking: usize,
}

impl Transit {
    fn new(live: &Live, places: Vec<Place>) -> Self {
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
        self.under_way.len() + self.checking < AT_ONCE
    }

    fn place(&self, download: usize) -> Result<&Place, Cause> {
        self.places.get(download).ok_or(Cause::Bug("a download without a volume"))
    }

    fn begin(&mut self, wanted: Wanted) -> Result<(), Cause> {
        let id = self.ledger.next_id();
        let mark = format!("{id}-{}", self.ledger.run());
        let label = wanted.label();
        let Placed { file, unfinished } = self
            .place(wanted.download)?
            .create(&wanted.inside, &mark)
            .map_err(|source| failed(DownloadError::Place { file: label.clone(), source }))?;
        let unreadable = |source| failed(DownloadError::ReadBack { file: label.clone(), source });
        let sink = Sink::File(file.try_clone().map_err(unreadable)?);
        let checksum = match &wanted.sha512 {
            Some(_) => Some(Checksum::begin(file.try_clone().map_err(unreadable)?)),
            None => None,
        };
        let (client, get) = (self.http.clone(), wanted.get.clone());
        let source = Source::Http { client, get, size: wanted.size };
        let shown = format!("girder:{} → {}", wanted.id, wanted.inside.display());
        self.ledger.began(id, shown, wanted.size);
        self.flow
            .add(id.number(), source, sink)
            .map_err(|source| failed(DownloadError::Begun { file: label, source }))?;
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
                Ok(_) => Some(DownloadError::Checksum { file: self.wanted.label() }),
                Err(source) => Some(DownloadError::ReadBack { file: self.wanted.label(), source }),
            },
            _ => None,
        };
        Checked { moving: self, bytes, error }
    }

    fn record(&self, bytes: u64, finish: Finish) -> DownloadRecord {
        let carrier = self
            .report
            .map_or(DownloadCarrier::Unknown, |report| DownloadCarrier::Moved(report.carrier));
        DownloadRecord {
            id: Some(self.id),
            file_id: self.wanted.id.clone(),
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

fn failed(error: DownloadError) -> Cause {
    Cause::Download(Box::new(error))
}

/// What has been listed and is not begun yet.
const AHEAD: usize = 50;
