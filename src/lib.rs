//! Runs a container on data held in Girder, and moves the bytes at line rate.

pub mod event;
#[doc(hidden)]
pub mod fuzzing;
pub mod spec;
