//! Runs a container on data held in Girder, and moves the bytes at line rate.

pub mod cli;
pub mod depot;
pub mod docker;
pub mod event;
pub mod girder;
pub mod http;
pub mod pump;
pub mod run;
pub mod spec;
pub mod sys;
pub mod volume;

pub use self::{
    event::{Event, EventSink, Phase},
    run::{
        Canceller, GirderSettings, Outcome, Plan, PlanError, Report, RunError, RunHandle, Runner,
        RunnerBuilder,
    },
    spec::{JobSpec, SpecError},
};
