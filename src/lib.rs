//! Runs a container on data held in Girder, and moves the bytes at line rate.

pub mod event;
pub mod girder;
pub mod http;
pub mod spec;
