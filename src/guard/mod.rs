//! What happens when we die: no program takes a part of a file for the whole.
//!
//! When a process is killed, the kernel closes its ends of pipes, and who reads from one sees the end of
//! a file. So the writing ends of input FIFOs are held by a second process as well: the *guard*, the
//! same binary begun anew, in a session of its own. It does nothing until our end of the socket between
//! us is closed, as it is by whatever death. Then it has the containers killed, and lets go of the ends
//! after that.
//!
//! | message | what the guard does |
//! |---|---|
//! | `Keep` with a descriptor | holds it |
//! | `Release` | closes it, and answers: only then do we close our own, which shows the end of the file. A reader that comes after that waits in open(2), as it should |
//! | `Watch` | notes a container that is about to start |
//! | `Forget` | strikes it out |
//! | the end | kills the noted containers, then closes everything |
//!
//! The socket is a `SOCK_SEQPACKET` (unix(7)): a message stays whole, and a descriptor comes with its
//! own. Nothing is sent a byte or a block: one message an opening, two an end.
//!
//! There is one guard a process, begun when the first FIFO is held. One that is killed is replaced at once: a thread
//! waits for its end, and tells the next one all that the one before it was told. One that does not hear, because it was
//! stopped, is killed. Without [`want`] there is none.
//!
//! A container that could not be killed when its run ended has a guard for itself ([`entrust`]).
//!
//! A guard outlives no end of its PID namespace. So what has one is never the first process of a container ([`first`]).

pub(crate) mod first;
mod link;
mod post;
mod serve;

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use post::want;
pub(crate) use serve::serve;

/// What the guard is called among processes, and known by when it begins.
const NAME: &str = "gantline-guard";

/// What is said to the guard.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// The descriptor that comes with it.
    Keep(u64),
    Release(u64),
    Watch(Watch),
    Forget(u64),
}

/// A container, and where its engine listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watch {
    number: u64,
    pub(crate) engine: String,
    pub(crate) container: String,
}

/// How large a message may be. A path of a socket has 108 bytes, a name of a host 255.
const MESSAGE_BYTES: usize = 4096;

/// Whether this process was begun as a guard: it is then to call [`serve`] and to end.
pub(crate) fn is_this() -> bool {
    std::env::args_os().next().as_deref() == Some(OsStr::new(NAME))
}

/// A descriptor that the guard holds as well. Dropping this has it closed there; what is ours is to be closed
/// after that.
#[derive(Debug)]
pub(crate) struct Kept(u64);

impl Drop for Kept {
    fn drop(&mut self) {
        post::lock().release(self.0);
    }
}

/// Has the guard hold a descriptor. None: there is no guard.
pub(crate) fn keep(descriptor: &Arc<OwnedFd>) -> Option<Kept> {
    post::lock().keep(descriptor).map(Kept)
}

/// A container that the guard kills should we die. Dropping this has it forgotten.
#[derive(Debug)]
pub(crate) struct Watched(u64);

impl Drop for Watched {
    fn drop(&mut self) {
        post::lock().forget(self.0);
    }
}

/// Has the guard kill a container should we die. None: there is no guard.
pub(crate) fn watch(engine: &str, container: &str) -> Option<Watched> {
    post::lock().watch(engine, container).map(Watched)
}

/// Has a guard of its own keep what a container reads from open until it has killed the container, also when this process
/// has ended. Gives its process. None: there is no guard.
pub(crate) fn entrust(engine: &str, container: &str, ends: &[OwnedFd]) -> Option<u32> {
    post::lock().entrust(engine, container, ends)
}
