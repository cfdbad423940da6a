//! One job from start to end.
pub mod plan;
mod planner;
