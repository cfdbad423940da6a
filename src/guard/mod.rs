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
//! There is one guard a process, begun when the first FIFO is held. Without [`want`] there is none.

mod link;
mod serve;

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use link::Link;
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

/// Whether there is a guard.
enum Guard {
    /// Nobody wants one, or there cannot be one.
    None,
    /// When it is first needed.
    Wanted,
    Begun(Arc<Link>),
}

static GUARD: Mutex<Guard> = Mutex::new(Guard::None);

/// Whether this process was begun as a guard: it is then to call [`serve`] and to end.
pub(crate) fn is_this() -> bool {
    std::env::args_os().next().as_deref() == Some(OsStr::new(NAME))
}

/// Has a guard begun when a FIFO is first held.
pub(crate) fn want() {
    let mut guard = lock();
    if let Guard::None = *guard {
        *guard = Guard::Wanted;
    }
}

/// A descriptor that the guard holds as well. Dropping this has it closed there; what is ours is to be closed
/// after that.
#[derive(Debug)]
pub(crate) struct Kept {
    link: Arc<Link>,
    number: u64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        // A guard that is gone holds nothing any more.
        let _ = self.link.ask(&Message::Release(self.number));
    }
}

/// Has the guard hold a descriptor. None: there is no guard.
pub(crate) fn keep(descriptor: &impl AsFd) -> Option<Kept> {
    let link = begun()?;
    let number = link.number();
    let kept = link.tell(&Message::Keep(number), Some(descriptor.as_fd()));
    told(link, kept).map(|link| Kept { link, number })
}

/// A container that the guard kills should we die. Dropping this has it forgotten.
#[derive(Debug)]
pub(crate) struct Watched {
    link: Arc<Link>,
    number: u64,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.link.tell(&Message::Forget(self.number), None);
    }
}

/// Has the guard kill a container should we die. None: there is no guard, or it holds nothing.
pub(crate) fn watch(engine: &str, container: &str) -> Option<Watched> {
    let Guard::Begun(link) = &*lock() else { return None };
    let link = Arc::clone(link);
    let number = link.number();
    let watch = Watch { number, engine: engine.to_owned(), container: container.to_owned() };
    let watched = link.tell(&Message::Watch(watch), None);
    told(link, watched).map(|link| Watched { link, number })
}

/// The guard, if one is wanted.
fn begun() -> Option<Arc<Link>> {
    let mut guard = lock();
    match &*guard {
        Guard::None => None,
        Guard::Begun(link) => Some(Arc::clone(link)),
        Guard::Wanted => match Link::begin() {
            Ok(link) => {
                let link = Arc::new(link);
                *guard = Guard::Begun(Arc::clone(&link));
                Some(link)
            }
            Err(error) => {
                *guard = Guard::None;
                tracing::warn!(%error, "no guard can be begun: {UNGUARDED}");
                None
            }
        },
    }
}

/// A guard that was not told is gone. The next thing to be held gets another.
fn told(link: Arc<Link>, told: std::io::Result<()>) -> Option<Arc<Link>> {
    let Err(error) = told else { return Some(link) };
    let mut guard = lock();
    if matches!(&*guard, Guard::Begun(current) if Arc::ptr_eq(current, &link)) {
        *guard = Guard::Wanted;
    }
    tracing::warn!(%error, "the guard is gone: {UNGUARDED}");
    None
}

const UNGUARDED: &str =
    "should this process be killed, a program may take a part of a file for the whole";

fn lock() -> MutexGuard<'static, Guard> {
    GUARD.lock().unwrap_or_else(PoisonError::into_inner)
}
