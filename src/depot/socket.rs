//! A client's socket, non-blocking, with a deadline for each wait.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{MSG_MORE, MSG_NOSIGNAL};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::sendfile::sendfile64;
use socket2::{SockRef, TcpKeepalive};

use crate::sys::splice::is_to_copy;

/// A client's socket. It is closed by whoever owns it.
#[derive(Debug)]
pub(super) struct Socket<'a> {
    socket: &'a TcpStream,
    /// How long the client may take nothing of what is sent.
    stall: Duration,
}

impl<'a> Socket<'a> {
    /// Makes the socket fit.
    pub(super) fn new(socket: &'a TcpStream, stall: Duration) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        SockRef::from(socket).set_tcp_keepalive(&KEEPALIVE)?;
        Ok(Self { socket, stall })
    }

    /// Reads what there is, as soon as there is something; 0 is the end.
    ///
    /// # Errors
    /// `TimedOut` when nothing has come at the deadline.
    pub(super) fn read(&self, deadline: Instant, block: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut socket = self.socket;
            match socket.read(block) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(PollFlags::POLLIN, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Sends bytes that nothing follows for now.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_with(bytes, 0)
    }

    /// Sends bytes that share their last segment with what is sent next.
    pub(super) fn send_first(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_with(bytes, MSG_MORE)
    }

    /// Sends at most so many bytes of a file, from the page cache; 0 is its end.
    pub(super) fn send_file(&self, file: &File, from: u64, bytes: u64) -> io::Result<u64> {
        let mut offset = i64::try_from(from).map_err(io::Error::other)?;
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        let deadline = Instant::now() + self.stall;
        loop {
            match sendfile64(self.socket, file, Some(&mut offset), bytes) {
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, deadline)?,
                Err(Errno::EINTR) => {}
                Err(errno) if is_to_copy(errno) => return self.send_copied(file, from, bytes),
                Err(errno) => return Err(errno.into()),
                Ok(sent) => return Ok(sent as u64),
            }
        }
    }

    fn send_copied(&self, file: &File, from: u64, bytes: usize) -> io::Result<u64> {
        let mut copied = vec![0; bytes.min(COPIED)];
        let came = file.read_at(&mut copied, from)?;
        self.send(copied.get(..came).unwrap_or_default())?;
        Ok(came as u64)
    }

    /// Says that nothing more is sent.
    pub(super) fn finish(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Makes closing it a reset: nobody takes what came for all there is.
    pub(super) fn reset_when_closed(&self) {
        // Without it the client still sees that bytes are missing, if it counts.
        let _ = SockRef::from(self.socket).set_linger(Some(Duration::ZERO));
    }

    fn send_with(&self, mut bytes: &[u8], flags: i32) -> io::Result<()> {
        let mut deadline = Instant::now() + self.stall;
        while !bytes.is_empty() {
            match SockRef::from(self.socket).send_with_flags(bytes, flags | MSG_NOSIGNAL) {
                Ok(sent) => {
                    bytes = bytes.get(sent..).unwrap_or_default();
                    deadline = Instant::now() + self.stall;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(PollFlags::POLLOUT, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(&self, flags: PollFlags, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        // Rounded up: a wait of less than a millisecond would be none.
        let left =
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.socket.as_fd(), flags)], left) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Bytes that are copied at once where the kernel does not send them out of their file.
const COPIED: usize = 256 << 10;

/// A client that is gone without a word is found out in two minutes.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);
