//! Our end of the socket to the guard.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recv, sendmsg, socketpair, sockopt,
};

use super::{Message, NAME};

/// How long the guard may take for an answer. It has nothing to do but to close a descriptor.
const PATIENCE: Duration = Duration::from_secs(5);

/// A guard that was begun.
#[derive(Debug)]
pub(super) struct Link {
    socket: OwnedFd,
    next: AtomicU64,
    /// Held from a question to its answer.
    child: Mutex<Option<Child>>,
}

impl Link {
    /// Begins a guard: this binary, anew, without its arguments and environment.
    ///
    /// # Errors
    /// No socket (`EMFILE`), no process (`EAGAIN`, `ENOMEM`), no /proc.
    pub(super) fn begin() -> io::Result<Self> {
        let (ours, theirs) = pair()?;
        let child = Command::new("/proc/self/exe")
            .arg0(NAME)
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self::new(ours, Some(child)))
    }

    pub(super) fn new(socket: OwnedFd, child: Option<Child>) -> Self {
        Self { socket, next: AtomicU64::new(0), child: Mutex::new(child) }
    }

    /// A number that nothing else has.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Says something, with a descriptor.
    ///
    /// # Errors
    /// `EPIPE`, `ECONNRESET`: the guard is gone.
    pub(super) fn tell(
        &self,
        message: &Message,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let message = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|descriptor| [descriptor]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let parts = [io::IoSlice::new(&message)];
        rustix::io::retry_on_intr(|| {
            sendmsg(&self.socket, &parts, &mut ancillary, SendFlags::NOSIGNAL)
        })?;
        Ok(())
    }

    /// Says something and waits until it is done.
    ///
    /// A guard that does not answer is killed, since what it holds would never come to its end.
    ///
    /// # Errors
    /// The guard is gone.
    pub(super) fn ask(&self, message: &Message) -> io::Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = self.tell(message, None).and_then(|()| {
            let mut answer = [0; 1];
            match rustix::io::retry_on_intr(|| recv(&self.socket, &mut answer, RecvFlags::empty()))?
            {
                (0, _) => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            }
        });
        if asked.is_err()
            && let Some(mut child) = child.take()
        {
            let _ = child.kill();
            let _ = child.wait();
        }
        asked
    }
}

/// Both ends of a socket that keeps messages whole.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_timeout(ours.as_fd(), sockopt::Timeout::Recv, Some(PATIENCE))?;
    Ok((ours, theirs))
}
