//! Our end of the socket to the guard.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recv, sendmsg, socketpair, sockopt,
};

use super::{Message, NAME};

/// How long the guard may take to hear, and to answer, on a machine that does not let it run. It has nothing to do but to
/// close a descriptor.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one may take that does not even wait for its turn: it was stopped, or frozen. A run that is cancelled has a
/// second, and others wait for their turn with the guard.
const DEAF: Duration = Duration::from_millis(200);

/// A guard that was begun.
#[derive(Debug)]
pub(super) struct Link {
    socket: OwnedFd,
    child: Option<Child>,
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
        Self { socket, child }
    }

    /// Our end of the socket, once more.
    ///
    /// # Errors
    /// `EMFILE`.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    /// Has the guard ended, and takes notice of that: until then it is a zombie.
    pub(super) fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Closes the socket, which lets the guard do its work. Gives its process.
    pub(super) fn leave(self) -> Option<u32> {
        let Self { socket, child } = self;
        drop(socket);
        let mut child = child?;
        let id = child.id();
        // Until somebody takes notice of its end it is a zombie. Ours may come first.
        let attendant = thread::Builder::new().name("gantline-guard".to_owned());
        let attending = attendant.spawn(move || {
            // Signals are for the threads that were there before.
            let _ = SigSet::all().thread_block();
            child.wait()
        });
        if let Err(error) = attending {
            tracing::debug!(%error, "nobody takes notice of a guard's end");
        }
        Some(id)
    }

    /// Says something, with a descriptor. A guard that does not hear is killed.
    ///
    /// # Errors
    /// `EPIPE`, `ECONNRESET`: the guard is gone.
    pub(super) fn tell(
        &mut self,
        message: &Message,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        self.send(message, descriptor).inspect_err(|_| self.end())
    }

    fn send(&self, message: &Message, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let message = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|descriptor| [descriptor]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let parts = [io::IoSlice::new(&message)];
        self.patiently(|| sendmsg(&self.socket, &parts, &mut ancillary, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// Says something and waits until it is done.
    ///
    /// A guard that does not answer is killed, since what it holds would never come to its end.
    ///
    /// # Errors
    /// The guard is gone.
    pub(super) fn ask(&mut self, message: &Message) -> io::Result<()> {
        let asked = self.send(message, None).and_then(|()| {
            let mut answer = [0; 1];
            match self.patiently(|| recv(&self.socket, &mut answer, RecvFlags::empty()))? {
                (0, _) => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            }
        });
        asked.inspect_err(|_| self.end())
    }

    /// Does something at the socket, and again while the guard cannot but would.
    fn patiently<T>(&self, mut work: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
        let begun = Instant::now();
        loop {
            match work() {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if begun.elapsed() < PATIENCE && self.waits_for_its_turn() => {}
                done => return Ok(done?),
            }
        }
    }

    /// Whether the guard would run if the machine let it, see proc_pid_stat(5).
    fn waits_for_its_turn(&self) -> bool {
        let Some(child) = &self.child else { return false };
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, state)| state.trim_start().starts_with('R'))
    }
}

/// Both ends of a socket that keeps messages whole.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    for timeout in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
        sockopt::set_socket_timeout(ours.as_fd(), timeout, Some(DEAF))?;
    }
    Ok((ours, theirs))
}
