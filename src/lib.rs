//! Runs a container on data held in Girder, and moves the bytes at line rate.

pub mod depot;
pub mod event;
pub mod spec;
