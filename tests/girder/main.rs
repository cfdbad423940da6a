//! Tests against the real Girder server that `tests/env/girder.sh up` starts.

#![cfg(test)]

mod client;
mod depot;
#[path = "../support/mod.rs"]
mod support;
