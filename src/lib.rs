//! Runs a container on data held in Girder, and moves the bytes at line rate.

pub mod depot;
pub mod docker;
pub mod event;
pub mod girder;
pub mod http;
pub mod pump;
#[doc(hidden)]
pub mod fuzzing;
pub mod spec;
pub mod sys;
