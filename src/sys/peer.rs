//! Who is at the other end of a socket.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt};

/// The process that listens at the other end of a Unix socket; none if it is not in our PID
/// namespace, nor in one below it. See unix(7), `SO_PEERCRED`.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`: it is no socket.
pub fn peer_process(socket: &impl AsFd) -> io::Result<Option<i32>> {
    let peer = getsockopt(socket, sockopt::PeerCredentials)?;
    Ok(Some(peer.pid()).filter(|pid| *pid > 0))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_listener_of_this_process_is_this_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let ours = UnixStream::connect(&path).unwrap();
        let us = i32::try_from(std::process::id()).unwrap();
        assert_eq!(peer_process(&ours).unwrap(), Some(us));
        assert!(peer_process(&tempfile::tempfile().unwrap()).is_err());
    }
}
