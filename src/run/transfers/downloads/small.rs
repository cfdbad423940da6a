//! A small file: fetched into memory, checked there, and written at once.

use std::io::Write;
use std::time::Instant;

use super::crew::Crew;
use super::error::DownloadError;
use super::listing::Stop;
use super::{Wanted, failed};
use crate::event::Finish;
use crate::http::LaneError;
use crate::http::Sha512;
use crate::pump::{Carrier, TransferError};
use crate::run::error::Cause;
use crate::run::outcome::{DownloadCarrier, DownloadRecord};
use crate::volume::{Place, Placed};

/// Bytes of a small file. One that is larger is worth the pump's splice.
pub(super) const MOST: usize = 128 * 1024;

/// Fetches one, of a known size. What does not come as it should is left to the pump, which asks again and says
/// what is wrong.
pub(super) fn fetch(crew: &Crew, wanted: Wanted, buffer: &mut Vec<u8>) -> Result<(), Stop> {
    let began = Instant::now();
    match crew.lane().fetch(&wanted.get, MOST, buffer) {
        Ok(()) if wanted.size == Some(buffer.len() as u64) => {}
        Err(LaneError::Stopped) => return Err(Stop::Unheard),
        other => {
            tracing::debug!(file = wanted.id, ?other, "a small file is left to the pump");
            return crew.hand_over(wanted);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let shown = format!("girder:{} → {}", wanted.id, wanted.inside.display());
    let ledger = crew.ledger();
    let id = ledger.begin(shown, wanted.size);
    let mark = format!("{id}-{}", ledger.run());
    let put = |place: &Place| put(place, &wanted, &mark, buffer);
    let put = crew.put(wanted.download, put);
    let finish = if put.is_ok() { Finish::Complete } else { Finish::Failed };
    let bytes = buffer.len() as u64;
    ledger.ended(id, bytes, finish);
    crew.found().records(DownloadRecord {
        id: Some(id),
        checked: wanted.sha512.is_some() && put.is_ok(),
        file_id: wanted.id,
        path: wanted.inside.display().to_string(),
        bytes,
        seconds,
        carrier: DownloadCarrier::Moved(Carrier::Copy),
        resumed: 0,
        finish,
    });
    put
}

/// Checks it, and gives it its place.
fn put(place: &Place, wanted: &Wanted, mark: &str, bytes: &[u8]) -> Result<(), Cause> {
    if let Some(expected) = &wanted.sha512
        && !Sha512::of(bytes).eq_ignore_ascii_case(expected)
    {
        return Err(failed(DownloadError::Checksum { file: wanted.label() }));
    }
    let unplaced = |source| failed(DownloadError::Place { file: wanted.label(), source });
    let Placed { mut file, unfinished } = place.create(&wanted.inside, mark).map_err(unplaced)?;
    file.write_all(bytes).map_err(|error| {
        let (file, source) = (wanted.label(), TransferError::Write(error));
        failed(DownloadError::Transfer { file, got: 0, total: wanted.size, source })
    })?;
    unfinished.keep(&file).map_err(unplaced)
}
