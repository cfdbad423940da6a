//! The fifth phase: what the container made takes its place.

use super::error::Cause;
use super::live::{Live, Stop};
use super::wait::Drained;
use crate::pump::Finish;

/// Every result is where it belongs.
#[derive(Debug)]
pub(super) struct Collected;

impl Drained {
    /// Gives the files of the host their names, if they are whole.
    ///
    /// Whatever a program wrote before it exited is whole, whichever its exit code. What a run
    /// that was cancelled has written is not.
    pub(super) fn collect(self, live: &mut Live) -> Result<Collected, Stop> {
        if live.report.cancelled {
            return Ok(Collected);
        }
        for (transfer, file) in std::mem::take(&mut live.made.files) {
            let finish = live.transfers.report(transfer).map(|report| report.finish);
            match finish {
                // A FIFO that nobody opened has given all of its nothing.
                Some(Finish::Complete | Finish::NotOpened) => {
                    file.keep().map_err(|error| Stop::Failed(Cause::HostFile(error)))?;
                }
                _ => live.made.files.push((transfer, file)),
            }
        }
        Ok(Collected)
    }
}
