//! The fifth phase's first part: what the container streamed into items of Girder becomes files.

use crate::pump::Finish;
use crate::run::error::{Cause, chain};
use crate::run::live::Live;
use crate::run::transfers::Turn;

/// Lets the uploads finish if the container has succeeded and everything came, and gives the others
/// up. The first failure is the run's, the others are warnings.
pub(crate) async fn finish_uploads(live: &mut Live) -> Result<(), Cause> {
    let uploading = live.transfers.uploading();
    let has_succeeded = live.report.exit_code == Some(0) && !live.report.cancelled;
    for transfer in uploading {
        match live.transfers.report(transfer).map(|report| report.finish) {
            // A FIFO that nobody opened has given all of its nothing.
            Some(Finish::Complete | Finish::NotOpened) if has_succeeded => {
                live.transfers.keep(transfer);
            }
            finish => {
                let why = match finish {
                    _ if live.report.cancelled => "the run was cancelled",
                    Some(Finish::TimedOut) if has_succeeded => "it did not end",
                    _ => "the container failed",
                };
                let label = live.transfers.label(transfer);
                live.warns(format!("{label} was given up, for {why}"));
                live.transfers.give_up(transfer);
            }
        }
    }
    settle(live).await
}

async fn settle(live: &mut Live) -> Result<(), Cause> {
    let mut cancellation = live.cancellation.clone();
    let mut failure = None;
    while !live.transfers.have_settled() {
        let turn = tokio::select! {
            turn = live.transfers.turn() => turn,
            () = cancellation.asked(), if !live.report.cancelled => {
                live.report.cancelled = true;
                for transfer in live.transfers.uploading() {
                    live.transfers.give_up(transfer);
                }
                // Clean-up waits for those that take long.
                return Ok(());
            }
        };
        if let Turn::Failed { cause } = turn {
            match &failure {
                None => failure = Some(cause),
                Some(_) => live.warns(chain(&cause)),
            }
        }
    }
    failure.map_or(Ok(()), Err)
}
