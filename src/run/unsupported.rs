//! What a job can say and a run cannot do yet, in one place: refused by name when it is planned.

use super::plan::PlanError;
use crate::spec::{Argument, Downloaded, JobSpec, Sink};

/// Refuses what is done beside arguments and streams.
pub(super) fn refuse(job: &JobSpec) -> Result<(), PlanError> {
    match job.girder_job {
        Some(_) => Err(PlanError::NotSupported { what: "girder_job" }),
        None => Ok(()),
    }
}

/// The refusal of an argument.
pub(super) fn argument(argument: &Argument) -> PlanError {
    let what = match argument {
        Argument::Download(download) => match download.what {
            Downloaded::File { direct: Some(_), .. } => "DirectGirderFileIdToVolume",
            _ => "this download",
        },
        Argument::ProgressPipe(_) => "ProgressPipe",
        Argument::GirderApiUrl => "GirderApiUrl",
        Argument::GirderToken => "GirderToken",
        _ => "this argument",
    };
    PlanError::NotSupported { what }
}

/// The refusal of a sink.
pub(super) fn sink(sink: &Sink) -> PlanError {
    let what = match sink {
        Sink::ChunkedPost { .. } => "ChunkedTransferEncodingStream",
        Sink::GirderItem { .. } => "GirderStreamToItem",
        _ => "this sink",
    };
    PlanError::NotSupported { what }
}
