//! Tests against the real Girder server that `tests/env/girder.sh up` starts.

#![cfg(test)]

mod client;
mod depot;
mod document;
mod run_files;
mod run_readers;
mod run_refusals;
mod run_secrets;
#[path = "../support/mod.rs"]
mod support;
mod types;
mod zips;
