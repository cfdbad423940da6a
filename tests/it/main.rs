//! Tests with real FIFOs, files, sockets and scripted peers; none needs an engine.

#![cfg(test)]

mod girder_client;
mod http_authority;
mod http_bodies;
mod http_faults;
mod http_nginx;
mod http_redirects;
mod http_support;
mod http_tls;
