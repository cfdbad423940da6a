//! The guard's own end.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};

use super::{MESSAGE_BYTES, Message, Watch};
use crate::backoff::Backoff;
use crate::sys::pipe;

/// How long is tried to kill a container whose engine does not answer: as long as an engine may be
/// away while a machine is looked after. While anybody reads from what is held, it goes on after that: a program that
/// waits for more bytes does no harm, and one that sees an end takes a part for the whole.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Between two tries.
const PAUSES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(5);

/// Holds what it is given until the other end of the socket is closed; then has the containers killed
/// by `kill`, which says whether it is done, and returns: what was held is closed.
pub(crate) fn serve(socket: &impl AsFd, kill: impl FnMut(&Watch) -> bool) {
    let mut held = Held::default();
    while let Ok(true) = held.hear(socket) {}
    if !held.descriptors.is_empty() {
        let Held { descriptors, watched } = held;
        let is_read = || descriptors.values().any(|end| pipe::has_reader(end).unwrap_or(true));
        kill_all(watched.into_values().collect(), kill, PATIENCE, is_read);
    }
}

#[derive(Debug, Default)]
struct Held {
    descriptors: BTreeMap<u64, OwnedFd>,
    watched: BTreeMap<u64, Watch>,
}

impl Held {
    /// Heeds the next message. False: there is none any more.
    fn hear(&mut self, socket: &impl AsFd) -> io::Result<bool> {
        let mut bytes = [0; MESSAGE_BYTES];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut parts = [io::IoSliceMut::new(&mut bytes)];
            recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        let Some(message) = bytes.get(..received.bytes).filter(|bytes| !bytes.is_empty()) else {
            return Ok(false);
        };
        let mut descriptors = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptor = descriptors.next().and_then(|mut descriptors| descriptors.next());
        match serde_json::from_slice(message)? {
            Message::Keep(number) => {
                self.descriptors.extend(descriptor.map(|descriptor| (number, descriptor)));
            }
            Message::Release(number) => {
                self.descriptors.remove(&number);
                send(socket, &[0], SendFlags::NOSIGNAL)?;
            }
            Message::Watch(watch) => {
                self.watched.insert(watch.number, watch);
            }
            Message::Forget(number) => {
                self.watched.remove(&number);
            }
        }
        Ok(true)
    }
}

/// An engine that is away tells nobody when it is back, so it is asked again and again.
fn kill_all(
    mut watched: Vec<Watch>,
    mut kill: impl FnMut(&Watch) -> bool,
    patience: Duration,
    is_read: impl Fn() -> bool,
) {
    let end = Instant::now() + patience;
    let mut backoff = Backoff::new(*PAUSES.start(), *PAUSES.end());
    loop {
        watched.retain(|watch| !kill(watch));
        if watched.is_empty() || (Instant::now() >= end && !is_read()) {
            return;
        }
        thread::park_timeout(backoff.failed(None));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{PipeReader, Read, Write};
    use std::sync::mpsc;

    use super::*;
    use crate::guard::Message;
    use crate::guard::link::{Link, pair};

    struct Rig {
        link: Link,
        killed: mpsc::Receiver<Watch>,
        go_on: mpsc::Sender<bool>,
    }

    /// A guard in a thread, which asks whether a kill was done.
    fn rig() -> Rig {
        let (ours, theirs) = pair().unwrap();
        let (tell_killed, killed) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        thread::spawn(move || {
            serve(&theirs, |watch| {
                tell_killed.send(watch.clone()).unwrap();
                may_go_on.recv().unwrap()
            });
        });
        Rig { link: Link::new(ours, None), killed, go_on }
    }

    fn keep(link: &mut Link, number: u64) -> PipeReader {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"half").unwrap();
        link.tell(&Message::Keep(number), Some(writer.as_fd())).unwrap();
        reader
    }

    fn watch(link: &mut Link, number: u64) {
        let watch =
            Watch { number, engine: "unix:///e".to_owned(), container: format!("c{number}") };
        link.tell(&Message::Watch(watch), None).unwrap();
    }

    #[test]
    fn what_is_released_is_closed_when_that_is_answered() {
        let Rig { mut link, .. } = rig();
        let mut reader = keep(&mut link, 1);
        link.ask(&Message::Release(1)).unwrap();
        let mut got = String::new();
        reader.read_to_string(&mut got).unwrap();
        assert_eq!(got, "half");
    }

    #[test]
    fn the_end_is_seen_only_when_every_container_is_dead() {
        let Rig { mut link, killed, go_on } = rig();
        let mut reader = keep(&mut link, 1);
        for number in 2..5 {
            watch(&mut link, number);
        }
        link.tell(&Message::Forget(3), None).unwrap();
        drop(link);
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        reader.read_exact(&mut [0; 4]).unwrap();
        for (container, is_done) in [("c2", false), ("c4", true), ("c2", true)] {
            assert_eq!(killed.recv().unwrap().container, container);
            let read = reader.read(&mut [0; 1]);
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
            go_on.send(is_done).unwrap();
        }
        rustix::io::ioctl_fionbio(&reader, false).unwrap();
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn a_container_that_cannot_be_killed_is_given_up_when_nobody_reads_any_more() {
        let watch = Watch { number: 1, engine: String::new(), container: String::new() };
        let (mut tries, reads) = (0, Cell::new(true));
        let kill = |_: &Watch| {
            tries += 1;
            reads.set(tries < 3);
            false
        };
        kill_all(vec![watch], kill, Duration::ZERO, || reads.get());
        assert_eq!(tries, 3);
    }

    #[test]
    fn nothing_is_killed_when_nothing_is_held() {
        let Rig { mut link, killed, .. } = rig();
        let _reader = keep(&mut link, 1);
        watch(&mut link, 2);
        link.ask(&Message::Release(1)).unwrap();
        drop(link);
        assert!(killed.recv().is_err());
    }
}
