<<<<<<< HEAD
//! Tests with real FIFOs, files, sockets and scripted peers; none needs an engine.

#![cfg(test)]

mod http_authority;
mod http_bodies;
mod http_faults;
mod http_nginx;
mod http_redirects;
mod http_support;
mod pump_fifo;
mod pump_peer;
mod pump_sinks;
mod http_tls;
=======
//! Tests that need no engine and no Girder.

mod spec;
mod spec_schema;
>>>>>>> wt-spec
