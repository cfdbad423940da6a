//! Socket options that std and nix do not have.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use socket2::SockRef;

/// Asks that a socket counts as readable only when `bytes` have come (`SO_RCVLOWAT`), or its end.
///
/// With fewer bytes to come than that, and a peer that keeps the connection open, it never does.
/// See socket(7); Linux heeds it in poll and epoll since 2.6.28. Gives what the kernel made of it, which
/// for a socket with a small buffer is less.
///
/// # Errors
/// `ENOTSOCK`, `ENOPROTOOPT`, `EINVAL`: not a socket that knows it.
pub fn set_receive_low_water(socket: &impl AsFd, bytes: usize) -> io::Result<usize> {
    let mut value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let mut length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    #[expect(unsafe_code, reason = "neither nix nor socket2 nor rustix has SO_RCVLOWAT")]
    // SAFETY: `value` lives for the whole call and `length` is its size; the kernel only reads it.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const value).cast(),
            length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    #[expect(unsafe_code, reason = "neither nix nor socket2 nor rustix has SO_RCVLOWAT")]
    // SAFETY: `value` and `length` live for the whole call; the kernel writes no more than `length`.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(value).unwrap_or(1))
}

/// Lets a TCP socket send over loopback without pacing.
///
/// There is no line there whose rate would have to be found. A system whose default is BBR paces every
/// segment all the same, by a timer, and halves what a POST can send, or what 64 readers get together.
/// Reno, which every kernel has and, unless it was forbidden, everybody may choose (tcp(7)), does not
/// pace. It is to be set before connecting, since pacing that has begun stays; what a listener accepts
/// inherits it.
///
/// # Errors
/// `EPERM`: it was forbidden. The socket keeps the system's congestion control, which is no more than
/// slower.
pub fn send_unpaced(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_congestion(b"reno")
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_mark_is_what_the_kernel_makes_of_it() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        assert_eq!(set_receive_low_water(&socket, 5000).unwrap(), 5000);
        socket.set_recv_buffer_size(16 << 10).unwrap();
        // tcp_set_rcvlowat: half of a buffer whose size was chosen.
        let half = socket.recv_buffer_size().unwrap() / 2;
        assert_eq!(set_receive_low_water(&socket, 1 << 20).unwrap(), half);
        assert_eq!(set_receive_low_water(&socket, 0).unwrap(), 1);
    }

    #[test]
    fn what_is_no_socket_has_no_mark() {
        let file = tempfile::tempfile().unwrap();
        let error = set_receive_low_water(&file, 1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
    }
}
