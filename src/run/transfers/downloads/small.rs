//! A small file: fetched into memory, checked there, and written at once.

use std::time::Instant;

use super::crew::Crew;
use super::landing::{Landing, Missed, Whole};
use super::listing::Stop;
use super::wanted::Wanted;
use crate::http::LaneError;
use crate::pump::Carrier;
use crate::run::outcome::DownloadCarrier;

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
            tracing::debug!(
                file = wanted.origin.shown(),
                ?other,
                "a small file is left to the pump"
            );
            return crew.hand_over(wanted);
        }
    }
    let Wanted { download, origin, inside, size, sha512, get: _ } = wanted;
    let carrier = DownloadCarrier::Moved(Carrier::Copy);
    let landing = Landing { download, origin, inside, size, sha512, carrier, began };
    landing.land(crew, &mut Whole(buffer)).map_err(|missed| match missed {
        Missed::Stop(stop) => stop,
        Missed::Source(never) => match never {},
    })
}
