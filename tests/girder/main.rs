//! Tests against the real Girder server that `tests/env/girder.sh up` starts.

#![cfg(test)]

mod depot;
#[path = "../support/mod.rs"]
mod support;
//! Tests against a real Girder: `tests/all.sh`, or `tests/env/girder.sh up` and its variable.

#![cfg(test)]

mod client;
