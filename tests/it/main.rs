//! Tests with real FIFOs, files, sockets and scripted peers; none needs an engine.

#![cfg(test)]

mod docker_calls;
mod docker_connect;
mod docker_peer;
mod docker_streams;
mod http_bodies;
mod http_faults;
mod http_redirects;
mod http_support;
