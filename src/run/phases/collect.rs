//! The fifth phase: what the container made takes its place.

use crate::pump::Finish;
use crate::run::chain::chain;
use crate::run::end::{End, Ended, Failed};
use crate::run::error::Cause;
use crate::run::hooks;
use crate::run::live::Live;
use crate::run::phases::wait::Drained;
use crate::run::transfers::uploads::finish_uploads;

impl Drained {
    /// Gives the files of the host their names, if they are whole, finishes the uploads of what was
    /// streamed into Girder, and carries out the hooks.
    ///
    /// Whatever a program wrote before it exited is whole, whichever its exit code. What a run
    /// that was cancelled has written is not. Girder gets only what a container made that succeeded,
    /// as hooks are carried out only then.
    pub(crate) async fn collect(self, live: &mut Live) -> Ended {
        let Self { end } = self;
        if !end.is_cancelled {
            keep_files(live)?;
        }
        match finish_uploads(live, end).await {
            Ok(end) => Ok(hooks::perform(live, end).await?),
            // One result that did not arrive is no reason to throw the others away.
            Err(cause) => {
                let is_cancelled = match hooks::perform(live, end).await {
                    Ok(end) => end.is_cancelled,
                    Err(Failed { cause: later, is_cancelled, .. }) => {
                        live.warns(chain(&*later));
                        is_cancelled
                    }
                };
                Err(Failed::new(cause, is_cancelled).into())
            }
        }
    }
}

/// A run has failed for another reason than its program, which had done its work: what it made stays.
pub(crate) async fn keep_results(live: &mut Live, failed: &Failed) {
    if !live.has_results {
        return;
    }
    // What was made of a bad input takes no place; of outputs that lack something the others are as they should be.
    if let (Cause::Incomplete { .. }, Some(container)) = (&*failed.cause, live.made.container.end())
    {
        let kept = keep_files(live);
        let end = End { container, is_cancelled: failed.is_cancelled };
        let finished = finish_uploads(live, end).await;
        for error in [kept.err(), finished.err()].into_iter().flatten() {
            live.warns(chain(&error));
        }
    }
    hooks::keep_untried(live).await;
}

fn keep_files(live: &mut Live) -> Result<(), Cause> {
    for (transfer, file) in std::mem::take(&mut live.made.files) {
        let finish = live.transfers.report(transfer).map(|report| report.finish);
        match finish {
            // A FIFO that nobody opened has given all of its nothing.
            Some(Finish::Complete | Finish::NotOpened) => {
                file.keep().map_err(Cause::HostFile)?;
            }
            _ => live.made.files.push((transfer, file)),
        }
    }
    Ok(())
}
