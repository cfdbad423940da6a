//! What shows without an engine: real sockets and files, and peers that follow a script.

// Clippy takes helpers for tests only where it sees this attribute.
#[cfg(test)]
mod docker_calls;
#[cfg(test)]
mod docker_connect;
#[cfg(test)]
mod docker_peer;
#[cfg(test)]
mod docker_streams;
