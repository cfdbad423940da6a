//! Where a run's bytes come from, found before anything is made.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use tokio::task::JoinSet;

use crate::girder::{FileRecord, GirderError};
use crate::http::{Get, HeaderValue};
use crate::plan::PlannedSource;
use crate::pump::Source;
use crate::run::error::Cause;
use crate::run::live::Live;

/// A source that does not come out of the container, and its size when its owner says.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) source: Source,
    pub(crate) size: Option<u64>,
}

/// Finds every source that does not come out of the container, by its transfer.
///
/// Girder is asked for each file, so that one that is not there, or that is not for us, fails by
/// name and before any container exists.
pub(crate) async fn find_sources(live: &Live) -> Result<BTreeMap<usize, Found>, Cause> {
    let mut found = BTreeMap::new();
    let mut wanted = Vec::new();
    for (at, transfer) in live.plan.transfers.iter().enumerate() {
        match &transfer.source {
            PlannedSource::GirderFile { id } => wanted.push((at, id.clone())),
            PlannedSource::Url { url, headers } => {
                let get =
                    headers.iter().fold(Get::new(url.as_url().clone()), |get, (name, value)| {
                        get.with_header(name, HeaderValue::new(value.expose()))
                    });
                // Made here once and dropped: a header that cannot be sent fails early.
                live.shared.http.get(get.clone()).map_err(|error| Cause::Request {
                    label: transfer.source_label.clone(),
                    source: Box::new(error),
                })?;
                found.insert(at, fetched(live, get, None));
            }
            PlannedSource::HostFile { path } => {
                let opened = open_file(path)
                    .map_err(|source| Cause::HostFileSource { path: path.clone(), source })?;
                found.insert(at, opened);
            }
            PlannedSource::Fifo(_)
            | PlannedSource::ContainerStdOut
            | PlannedSource::ContainerStdErr => {}
        }
    }
    ask_girder(live, wanted, &mut found).await?;
    Ok(found)
}

async fn ask_girder(
    live: &Live,
    wanted: Vec<(usize, String)>,
    found: &mut BTreeMap<usize, Found>,
) -> Result<(), Cause> {
    if wanted.is_empty() {
        return Ok(());
    }
    let client = live.girder_client().await?;
    let mut records = JoinSet::new();
    for (at, id) in wanted {
        let client = client.clone();
        records.spawn_blocking(move || {
            let FileRecord { size, .. } = client.file(&id).map_err(failed)?;
            let get = client.download(&id).map_err(failed)?;
            Ok((at, get, size))
        });
    }
    while let Some(record) = records.join_next().await {
        let (at, get, size) = record.map_err(|_| Cause::Bug("a question to Girder panicked"))??;
        found.insert(at, fetched(live, get, size));
    }
    Ok(())
}

fn failed(error: GirderError) -> Cause {
    Cause::Girder(Box::new(error))
}

fn fetched(live: &Live, get: Get, size: Option<u64>) -> Found {
    Found { source: Source::Http { client: live.shared.http.clone(), get, size }, size }
}

fn open_file(path: &Path) -> io::Result<Found> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A device says 0, or refuses; then nothing is known of it.
    let size = file.seek(SeekFrom::End(0)).ok().filter(|size| *size > 0);
    if size.is_some() {
        file.rewind()?;
    }
    Ok(Found { source: Source::File(file), size })
}
