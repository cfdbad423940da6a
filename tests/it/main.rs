//! Tests with real FIFOs, files, sockets and scripted peers; none needs an engine.

mod http_faults;
mod http_support;
mod pump_fifo;
mod pump_peer;
mod pump_sinks;
