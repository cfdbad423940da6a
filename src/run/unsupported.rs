//! What a job can say and a run cannot do yet, in one place: refused by name when it is planned.

use super::plan::PlanError;
use crate::spec::{Argument, Downloaded};

/// The refusal of an argument.
pub(super) fn argument(argument: &Argument) -> PlanError {
    let what = match argument {
        Argument::Download(download) => match download.what {
            Downloaded::File { direct: Some(_), .. } => "DirectGirderFileIdToVolume",
            _ => "this download",
        },
        _ => "this argument",
    };
    PlanError::NotSupported { what }
}
