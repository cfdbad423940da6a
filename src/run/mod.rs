//! One job from start to end.
mod cancel;
mod host_file;
mod outcome;
mod plan;
mod planner;
pub use self::{
    cancel::Canceller,
    outcome::{Outcome, Report, TransferRecord},
    plan::{Plan, PlanError},
};
