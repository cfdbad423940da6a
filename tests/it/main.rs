//! Tests with real FIFOs, files, sockets and scripted peers; none needs an engine.

#![cfg(test)]

mod http_bodies;
mod http_faults;
mod http_redirects;
mod http_support;
