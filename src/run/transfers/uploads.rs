//! The fifth phase's first part: what the container streamed into items of Girder becomes files.

use crate::pump::Finish;
use crate::run::cancel::{Cancelled, Level, PHASES_END};
use crate::run::chain::chain;
use crate::run::end::End;
use crate::run::error::Cause;
use crate::run::live::Live;
use crate::run::transfers::Turn;

/// Lets the uploads finish if the container has succeeded and everything came, and gives the others
/// up. The first failure is the run's, the others are warnings.
pub(crate) async fn finish_uploads(live: &mut Live, end: End) -> Result<End, Cause> {
    let uploading = live.transfers.uploading();
    for transfer in uploading {
        match live.transfers.report(transfer).map(|report| report.finish) {
            Some(Finish::Complete) if end.has_succeeded() => {
                live.transfers.keep(transfer);
            }
            // A warning says so already.
            Some(Finish::NotOpened) if end.has_succeeded() => live.transfers.give_up(transfer),
            finish => {
                let why = match finish {
                    _ if end.is_cancelled => "the run was cancelled",
                    Some(Finish::Incomplete) if end.has_succeeded() => "some of it may be missing",
                    Some(Finish::TimedOut) if end.has_succeeded() => "it did not end",
                    _ => "the container failed",
                };
                let label = live.transfers.label(transfer);
                live.warns(format!("{label} was given up, for {why}"));
                live.transfers.give_up(transfer);
            }
        }
    }
    let cancellation = live.cancellation.clone();
    let limit = (live.given.stop_timeout, PHASES_END);
    let settling = cancellation.unless(Level::beyond(end.is_cancelled), settle(live));
    match cancellation.in_time(limit, settling).await {
        Ok(Ok(settled)) => settled.map(|()| end),
        Ok(Err(Cancelled)) | Err(Cancelled) => {
            // Clean-up waits for those that take long.
            for transfer in live.transfers.uploading() {
                live.transfers.give_up(transfer);
            }
            Ok(End { is_cancelled: true, ..end })
        }
    }
}

async fn settle(live: &mut Live) -> Result<(), Cause> {
    let mut failure = None;
    while !live.transfers.have_settled() {
        if let Turn::Failed { cause } = live.transfers.turn().await {
            match &failure {
                None => failure = Some(cause),
                Some(_) => live.warns(chain(&cause)),
            }
        }
    }
    live.keeps_streams();
    failure.map_or(Ok(()), Err)
}
