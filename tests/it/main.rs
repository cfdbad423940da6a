//! Tests with real FIFOs, files, sockets and scripted peers; none needs an engine.

#![cfg(test)]

mod depot;
mod depot_client;
mod depot_faults;
