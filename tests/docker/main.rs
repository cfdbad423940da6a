//! What only a real engine shows.

// Clippy takes helpers for tests only where it sees this attribute.
#[cfg(test)]
mod engine_client;
#[cfg(test)]
mod engine_client_registry;
#[cfg(test)]
mod engine_client_support;
#[cfg(test)]
mod engine_client_tcp;
#[cfg(test)]
mod run_cancel;
#[cfg(test)]
mod run_clean_up;
#[cfg(test)]
mod run_exit_codes;
#[cfg(test)]
mod run_failures;
#[cfg(test)]
mod run_jobs;
#[cfg(test)]
mod run_library;
#[cfg(test)]
mod run_quiet;
#[cfg(test)]
mod run_streams;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
