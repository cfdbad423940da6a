//! Tests with real FIFOs, files, sockets and scripted peers; none needs an engine.

mod http_faults;
mod http_support;
