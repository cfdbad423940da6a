//! Tests against a real Girder: `tests/all.sh`, or `tests/env/girder.sh up` and its variable.

#![cfg(test)]

mod client;
