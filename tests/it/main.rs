//! Tests with real FIFOs, files, sockets and scripted peers; none needs an engine.

#![cfg(test)]

#[path = "../support/archive.rs"]
mod archive;
#[cfg(target_arch = "x86_64")]
mod assembled;
mod bench;
#[cfg(feature = "command")]
#[path = "../support/blocks.rs"]
mod blocks;
#[cfg(feature = "command")]
mod cli;
#[path = "../support/crowd.rs"]
mod crowd;
mod depot;
mod depot_client;
mod depot_faults;
mod docker_calls;
mod docker_connect;
mod docker_peer;
mod docker_streams;
#[path = "../support/example.rs"]
mod example;
mod far_link;
mod girder_archive;
mod girder_client;
mod http_authority;
mod http_bodies;
mod http_faults;
mod http_lanes;
mod http_nginx;
mod http_proxies;
mod http_redirects;
mod http_send;
mod http_support;
mod http_tls;
#[cfg(feature = "command")]
mod manual;
mod message;
#[cfg(feature = "command")]
mod mistakes;
#[cfg(feature = "command")]
mod mistakes_in_jobs;
mod plan;
mod pump_fallback;
mod pump_far;
mod pump_fifo;
mod pump_peer;
mod pump_post;
mod pump_sinks;
mod pump_slow;
mod pump_steps;
mod pump_stress;
mod pump_without_inotify;
mod run_deaf;
mod run_engine;
#[cfg(feature = "command")]
mod run_log;
mod run_many;
mod run_output;
mod run_stops;
mod run_unkilled;
#[cfg(feature = "command")]
mod shells;
mod spec;
mod spec_docker_py;
mod spec_schema;
#[path = "../support/tinyproxy.rs"]
mod tinyproxy;
mod transfers;
