//! Each step with an input FIFO that fails says which it is, and of which FIFO.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use super::*;
use crate::sys::inotify::{self, Watches};

/// The ends of a real FIFO, of whose steps one fails.
struct Failing {
    ends: FifoEnds,
    fails: Rc<Cell<Option<&'static str>>>,
}

impl Failing {
    fn may(&self, step: &'static str) -> io::Result<()> {
        match self.fails.get() == Some(step) {
            true => Err(io::Error::from(io::ErrorKind::OutOfMemory)),
            false => Ok(()),
        }
    }
}

impl Ends for Failing {
    fn path(&self) -> PathBuf {
        self.ends.path()
    }

    fn hear(&mut self) -> Vec<Seen> {
        self.ends.hear()
    }

    fn ask(&mut self) -> io::Result<(u64, bool)> {
        self.may("ask").and_then(|()| self.ends.ask())
    }

    fn wait_for_leavers(&self) -> io::Result<()> {
        self.may("wait").and_then(|()| self.ends.wait_for_leavers())
    }

    fn mute_reads(&mut self) {
        self.ends.mute_reads();
    }

    fn tell_reads(&mut self) -> io::Result<()> {
        self.may("tell").and_then(|()| self.ends.tell_reads())
    }

    fn has_writer(&self) -> bool {
        self.ends.has_writer()
    }

    fn open_writer(&mut self) -> io::Result<()> {
        self.may("open writer").and_then(|()| self.ends.open_writer())
    }

    fn close_writer(&mut self) {
        self.ends.close_writer();
    }

    fn open_reader(&mut self) -> io::Result<()> {
        self.may("open reader").and_then(|()| self.ends.open_reader())
    }

    fn open_hold(&mut self) -> io::Result<()> {
        self.may("open hold").and_then(|()| self.ends.open_hold())
    }

    fn close_reader(&mut self) {
        self.ends.close_reader();
    }

    fn count(&mut self) -> io::Result<u64> {
        self.may("count").and_then(|()| self.ends.count())
    }

    fn empty(&mut self) -> io::Result<u64> {
        self.may("empty").and_then(|()| self.ends.empty())
    }
}

/// What happened before a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A reader has left in the middle.
    OpenEnd,
    /// The same, after our end was closed behind the last byte.
    ClosedEnd,
    /// It was lost what readers did, and nothing was written.
    Loss,
}

/// The words for a step that fails, the FIFO being called `in`.
fn words(before: Before, step: &'static str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let open = File::open(folder.path()).unwrap();
    let fifo = Fifo::create(open.as_fd(), OsStr::new("in")).unwrap();
    let ears = Rc::new(Ears::new(Watches::new().unwrap()));
    let fails = Rc::new(Cell::new(None));
    let ends = FifoEnds::hold(fifo, Some(&ears)).unwrap();
    let mut fifo = InputFifo::new(Failing { ends, fails: Rc::clone(&fails) }, Readers::held());
    let path = folder.path().canonicalize().unwrap().join("in");
    let mut written = 0;
    if before != Before::Loss {
        let writer = fifo.ends.ends.writer().unwrap().try_clone_to_owned().unwrap();
        File::from(writer).write_all(b"hello").unwrap();
        written = 5;
    }
    let mut reader = File::open(&path).unwrap();
    if before == Before::Loss {
        ears.keep(inotify::Seen::Overflow);
    } else {
        reader.read_exact(&mut [0; 2]).unwrap();
    }
    while fifo.next(written).unwrap() != Reaction::Nothing {}
    if before == Before::ClosedEnd {
        assert_eq!(fifo.finish(written).unwrap(), Finished::Closed);
    }
    fails.set(Some(step));
    let error = match before {
        Before::Loss => fifo.finish(written).unwrap_err(),
        Before::OpenEnd | Before::ClosedEnd => {
            drop(reader);
            loop {
                match fifo.next(written) {
                    Err(error) => break error,
                    Ok(reaction) => assert_ne!(reaction, Reaction::Nothing, "{step}"),
                }
            }
        }
    };
    error.to_string().replace(&path.display().to_string(), "in")
}

#[test]
fn each_step_that_fails_has_its_own_words() {
    let asked = "cannot ask who reads the FIFO in, and how much is in it";
    let (opened, emptied) =
        ("cannot open the FIFO in again", "cannot empty the FIFO in for its next reader");
    let watched = "cannot watch the FIFO in";
    for (before, step, told) in [
        (Before::OpenEnd, "ask", asked),
        (Before::OpenEnd, "open hold", opened),
        (Before::OpenEnd, "empty", emptied),
        (Before::OpenEnd, "tell", watched),
        (Before::ClosedEnd, "open reader", opened),
        (Before::ClosedEnd, "count", asked),
        (Before::ClosedEnd, "empty", emptied),
        (Before::ClosedEnd, "tell", watched),
        (Before::ClosedEnd, "open hold", opened),
        (Before::ClosedEnd, "open writer", opened),
        (Before::Loss, "wait", "cannot wait until the reader of the FIFO in has left"),
    ] {
        assert_eq!(words(before, step), told, "{before:?}, {step}");
    }
}
