//! Where a run's bytes come from, found before anything is made.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use tokio::task::JoinSet;

use crate::event::TransferId;
use crate::http::{Get, HeaderValue};
use crate::pump::{Source, Sum, Summed};
use crate::run::error::Cause;
use crate::run::live::Live;
use crate::run::store::record;
use crate::spec::{self, Verify};
use crate::store::FileRecord;

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
pub(crate) async fn find_sources(live: &Live) -> Result<BTreeMap<TransferId, Found>, Cause> {
    let mut found = BTreeMap::new();
    let mut wanted = Vec::new();
    for (id, transfer) in live.transfers.ids().into_iter().zip(&live.plan.transfers) {
        match &transfer.source {
            spec::Source::GirderFile { id: file } => wanted.push((id, file.clone())),
            spec::Source::Url { url, headers } => {
                let get =
                    headers.iter().fold(Get::new(url.as_url().clone()), |get, (name, value)| {
                        get.with_header(name, HeaderValue::new(value.expose()))
                    });
                // Made here once and dropped: a header that cannot be sent fails early.
                live.shared.http.get(get.clone()).map_err(|error| Cause::Request {
                    label: transfer.source.to_string(),
                    source: Box::new(error),
                })?;
                found.insert(id, fetched(live, get, None, None));
            }
            spec::Source::HostFile { path } => {
                let opened = open_file(path)
                    .map_err(|source| Cause::HostFileSource { path: path.clone(), source })?;
                found.insert(id, opened);
            }
            // Out of the container.
            spec::Source::Fifo(_)
            | spec::Source::ContainerStdOut
            | spec::Source::ContainerStdErr => {}
        }
    }
    ask_girder(live, wanted, &mut found).await?;
    Ok(found)
}

async fn ask_girder(
    live: &Live,
    wanted: Vec<(TransferId, String)>,
    found: &mut BTreeMap<TransferId, Found>,
) -> Result<(), Cause> {
    if wanted.is_empty() {
        return Ok(());
    }
    let client = live.store.open().await?;
    let verify = live.plan.verify.unwrap_or(live.given.verify);
    let mut records = JoinSet::new();
    for (id, file) in wanted {
        let client = client.clone();
        records.spawn(async move {
            let FileRecord { size, sha512, .. } = record(&client, &file).await?;
            let get = client.download(&file)?;
            Ok::<_, Cause>((id, get, size, sha512))
        });
    }
    while let Some(record) = records.join_next().await {
        let (id, get, size, sha512) =
            record.map_err(|_| Cause::Bug("a question to Girder panicked"))??;
        let summed = summed(verify, size);
        let sum = sha512.zip(summed).map(|(sha512, when)| Sum { sha512, when });
        found.insert(id, fetched(live, get, size, sum));
    }
    Ok(())
}

fn fetched(live: &Live, get: Get, size: Option<u64>, sum: Option<Sum>) -> Found {
    let client = live.shared.http.clone();
    Found { source: Source::Http { client, get, size, sum }, size }
}

fn open_file(path: &Path) -> io::Result<Found> {
    // Otherwise a FIFO is opened when somebody writes it, and no sooner.
    let at_once = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(at_once).open(path)?;
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // What says 0 may have more, as the files in /proc: then nothing is known of it.
    let size = Some(found.len()).filter(|size| *size > 0);
    Ok(Found { source: Source::File(file), size })
}

/// When a stream of so many bytes is summed.
fn summed(verify: Verify, size: Option<u64>) -> Option<Summed> {
    match verify {
        Verify::UnlessSpliced => Some(Summed::UnlessSpliced),
        other => other.sums(size).then_some(Summed::Always),
    }
}
