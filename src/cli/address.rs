//! Addresses on the command line.

use std::net::SocketAddr;

/// Where to listen.
pub(super) fn listening(text: &str) -> Result<SocketAddr, String> {
    let expected = "expected an IP address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080";
    text.parse().map_err(|_| expected.to_owned())
}
