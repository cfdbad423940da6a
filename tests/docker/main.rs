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
