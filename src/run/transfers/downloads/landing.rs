//! A file's way from memory into its volume: checked, and under a temporary name until it is whole.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use super::crew::Crew;
use super::error::DownloadError;
use super::listing::Stop;
use super::wanted::Origin;
use crate::event::Finish;
use crate::http::Sha512;
use crate::pump::TransferError;
use crate::run::error::Cause;
use crate::run::outcome::{DownloadCarrier, DownloadRecord};
use crate::volume::{Place, Placed, UnfinishedFile, VolumeError};

/// A file that has begun to come.
#[derive(Debug)]
pub(super) struct Landing {
    pub(super) download: usize,
    pub(super) origin: Origin,
    /// Its path in the volume.
    pub(super) inside: PathBuf,
    pub(super) size: Option<u64>,
    pub(super) sha512: Option<String>,
    pub(super) carrier: DownloadCarrier,
    pub(super) began: Instant,
}

/// Its bytes.
pub(super) trait Pieces {
    /// Why they end too early.
    type Error;

    /// The next of them; an empty piece is the end.
    fn next_piece(&mut self) -> Result<&[u8], Self::Error>;
}

/// Why a file has not landed. Nothing of it is left then.
#[derive(Debug)]
pub(super) enum Missed<E> {
    /// Its bytes ended too early.
    Source(E),
    Stop(Stop),
}

/// All bytes in one piece.
pub(super) struct Whole<'a>(pub(super) &'a [u8]);

impl Pieces for Whole<'_> {
    type Error = Infallible;

    fn next_piece(&mut self) -> Result<&[u8], Infallible> {
        Ok(std::mem::take(&mut self.0))
    }
}

impl Landing {
    /// Puts it into its place, and tells of it.
    pub(super) fn land<P: Pieces>(
        self,
        crew: &Crew,
        pieces: &mut P,
    ) -> Result<(), Missed<P::Error>> {
        let ledger = crew.ledger();
        let shown = format!("{} → {}", self.origin.shown(), self.inside.display());
        let id = ledger.begin(shown, self.size);
        let mark = format!("{id}-{}", ledger.run());
        let (mut broken, mut bytes) = (None, 0);
        let put = crew.put(self.download, |place| {
            let (mut file, unfinished) = self.create(place, &mark)?;
            let mut sum = self.sha512.as_ref().map(|_| Sha512::new());
            loop {
                match pieces.next_piece() {
                    Ok([]) => break,
                    Ok(piece) => {
                        self.write(&mut file, piece, bytes)?;
                        bytes += piece.len() as u64;
                        sum.iter_mut().for_each(|sum| sum.add(piece));
                    }
                    Err(error) => {
                        broken = Some(error);
                        return Ok(());
                    }
                }
            }
            if let (Some(sum), Some(expected)) = (sum, &self.sha512)
                && !sum.end().eq_ignore_ascii_case(expected)
            {
                return Err(DownloadError::Checksum { file: self.origin.label() }.into());
            }
            unfinished.keep(&file).map_err(|source| self.unplaced(source))
        });
        let is_whole = put.is_ok() && broken.is_none();
        let finish = if is_whole { Finish::Complete } else { Finish::Failed };
        ledger.ended(id, bytes, finish);
        if let Some(error) = broken {
            // It comes once more, by another way.
            return Err(Missed::Source(error));
        }
        let (file_id, item_id) = self.origin.into_ids();
        crew.found().records(DownloadRecord {
            id: Some(id),
            file_id,
            item_id,
            path: self.inside.display().to_string(),
            bytes,
            seconds: self.began.elapsed().as_secs_f64(),
            carrier: self.carrier,
            resumed: 0,
            checked: self.sha512.is_some() && is_whole,
            finish,
        });
        put.map_err(Missed::Stop)
    }

    fn create(&self, place: &Place, mark: &str) -> Result<(File, UnfinishedFile), Cause> {
        let placed = place.create(&self.inside, mark);
        let Placed { file, unfinished } = placed.map_err(|source| self.unplaced(source))?;
        Ok((file, unfinished))
    }

    fn write(&self, file: &mut File, piece: &[u8], got: u64) -> Result<(), Cause> {
        file.write_all(piece).map_err(|error| {
            let (file, source) = (self.origin.label(), TransferError::Write(error));
            DownloadError::Transfer { file, got, total: self.size, source }.into()
        })
    }

    fn unplaced(&self, source: VolumeError) -> Cause {
        DownloadError::Place { file: self.origin.label(), source }.into()
    }
}
