//! What only a real engine shows.

#![cfg(test)]

mod bench;
mod downloads;
mod downloads_broken;
mod downloads_direct;
mod downloads_refused;
mod engine_client;
mod engine_client_registry;
mod engine_client_support;
mod engine_client_tcp;
mod examples;
mod girder_job;
mod hooks;
mod hooks_artifacts;
mod hooks_broken;
mod hooks_failed;
mod item_streams;
mod item_streams_failed;
mod large;
mod many_files;
mod many_files_up;
mod prune;
mod readme;
mod run_broken_sources;
mod run_cancel;
mod run_clean_up;
mod run_depot;
mod run_engine_lost;
mod run_exit_codes;
mod run_failures;
mod run_gpu;
mod run_guard;
mod run_inside;
mod run_jobs;
mod run_library;
mod run_options;
mod run_other_host;
mod run_outputs;
mod run_posts;
mod run_progress;
mod run_pull;
mod run_quiet;
mod run_report;
mod run_secrets;
mod run_sources;
mod run_streams;
mod run_tail;
mod run_terminal;
mod run_volumes;
mod run_widths;
#[path = "../support/mod.rs"]
mod support;
