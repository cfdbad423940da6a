//! Each state of an input FIFO against what its readers do, with real FIFOs and real readers.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use std::os::fd::AsFd;

use super::*;
use crate::sys::inotify::{self, Watches};
use crate::sys::pipe;

const DEADLINE: Duration = Duration::from_secs(20);

struct Fixture {
    fifo: InputFifo,
    ears: Option<Rc<Ears>>,
    path: PathBuf,
    written: u64,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn with(ears: Option<Rc<Ears>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = File::open(folder.path()).unwrap();
        let fifo = Fifo::create(open.as_fd(), OsStr::new("in")).unwrap();
        let fifo = InputFifo::hold(fifo, ears.as_ref()).unwrap();
        Self { fifo, ears, path: folder.path().join("in"), written: 0, _folder: folder }
    }

    fn watched() -> Self {
        Self::with(Some(Rc::new(Ears::new(Watches::new().unwrap()))))
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut writer = File::from(self.fifo.writer().unwrap().try_clone_to_owned().unwrap());
        // A clone's closing is no close(2) of the open file, so inotify does not see it.
        writer.write_all(bytes).unwrap();
        self.written += bytes.len() as u64;
    }

    fn open(&self) -> File {
        File::open(&self.path).unwrap()
    }

    /// Opens it and reads so many bytes.
    fn read(&self, bytes: usize) -> File {
        let mut reader = self.open();
        reader.read_exact(&mut vec![0; bytes]).unwrap();
        reader
    }

    /// Considers all that inotify has seen.
    fn hear(&mut self) -> Result<Vec<Reaction>, TransferError> {
        let mut reactions = Vec::new();
        loop {
            match self.fifo.next(self.written)? {
                Reaction::Nothing => return Ok(reactions),
                reaction => reactions.push(reaction),
            }
        }
    }

    /// Events are lost.
    fn lose(&self) {
        self.ears.as_ref().unwrap().keep(inotify::Seen::Overflow);
    }

    fn left(&mut self) -> Result<Reaction, TransferError> {
        self.fifo.reader_left(self.written)
    }
}

#[test]
fn it_takes_bytes_before_its_reader_comes_and_tells_when_one_does() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    assert!(fixture.fifo.is_unopened());
    assert_eq!(fixture.hear().unwrap(), []);
    let mut reader = fixture.open();
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    assert!(!fixture.fifo.is_unopened());
    assert_eq!(fixture.fifo.finish(5).unwrap(), Finished::Closed);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

#[test]
fn what_a_look_did_not_take_waits_for_the_reader() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    drop(fixture.open());
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    assert!(fixture.fifo.writer().is_none(), "nobody is there to write to");
    assert_eq!(fixture.fifo.finish(5).unwrap(), Finished::Waiting);
    let _reader = fixture.read(5);
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    assert_eq!(fixture.fifo.finish(5).unwrap(), Finished::Closed);
}

#[test]
fn a_reader_that_was_heard_of_is_served_though_a_look_before_it_was_noticed_by_writing() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    let look = fixture.open();
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    // A write is answered with `EPIPE` between these two.
    drop(look);
    let mut next = fixture.open();
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    assert_eq!(fixture.left().unwrap(), Reaction::TryAgain);
    assert_eq!(fixture.fifo.finish(5).unwrap(), Finished::Closed);
    let mut text = String::new();
    next.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

#[test]
fn a_reader_that_leaves_in_the_middle_ends_the_reading() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    drop(fixture.read(2));
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain, Reaction::Over { unread: 3 }]);
    // Held for the next one, who gets nothing of it.
    fixture.written = 0;
    let next = fixture.open();
    assert_eq!(fixture.hear().unwrap(), [Reaction::Next]);
    assert_eq!(pipe::unread(&next).unwrap(), 0);
}

#[test]
fn a_reader_that_has_left_is_noticed_by_writing_as_well() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    let reader = fixture.read(2);
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    drop(reader);
    // `EPIPE` comes before inotify is heard.
    assert_eq!(fixture.left().unwrap(), Reaction::Over { unread: 3 });
    assert_eq!(fixture.left().unwrap(), Reaction::Nothing);
    assert_eq!(fixture.hear().unwrap(), []);
}

#[test]
fn a_second_reader_beside_the_first_is_an_overlap() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    let _first = fixture.read(1);
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    let _second = fixture.open();
    assert!(matches!(fixture.hear(), Err(TransferError::Overlap)));
}

#[test]
fn a_second_reader_is_an_overlap_though_both_are_gone_when_it_is_heard_of() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    drop(fixture.read(1));
    drop(fixture.read(1));
    assert!(matches!(fixture.hear(), Err(TransferError::Overlap)));
}

#[test]
fn looks_before_the_reader_are_no_overlap_though_heard_of_late() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    drop(fixture.open());
    drop(fixture.open());
    drop(fixture.read(1));
    let reactions = fixture.hear().unwrap();
    assert_eq!(reactions.last(), Some(&Reaction::Over { unread: 4 }), "{reactions:?}");
}

#[test]
fn whoever_came_before_the_bytes_were_counted_is_an_overlap_and_sees_no_end() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    drop(fixture.read(1));
    let next = fixture.read(1);
    // The write that failed with `EPIPE` was before the next reader came.
    assert_eq!(fixture.left().unwrap(), Reaction::TryAgain);
    assert!(matches!(fixture.left(), Err(TransferError::Overlap)));
    assert!(fixture.fifo.descriptor().is_some(), "its end would look like the file's");
    drop(next);
}

#[test]
fn a_reader_that_opened_just_before_our_end_closed_is_an_overlap() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    let _first = fixture.read(5);
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    let _second = fixture.open();
    assert!(matches!(fixture.fifo.finish(5), Err(TransferError::Overlap)));
    assert!(fixture.fifo.descriptor().is_some(), "its end would look like the file's");
}

#[test]
fn a_reader_that_opened_just_before_our_end_closed_and_just_after_a_look_has_it_all() {
    for bytes in [&b"hello"[..], b""] {
        let mut fixture = Fixture::watched();
        fixture.write(bytes);
        let look = fixture.open();
        assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
        drop(look);
        let mut reader = fixture.open();
        let finished = fixture.fifo.finish(fixture.written).unwrap();
        assert_eq!(finished, Finished::First(Reaction::TryAgain));
        assert_eq!(fixture.fifo.finish(fixture.written).unwrap(), Finished::Closed);
        assert_eq!(fixture.hear().unwrap(), []);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        drop(reader);
        assert_eq!(fixture.hear().unwrap(), [Reaction::Over { unread: 0 }]);
    }
}

#[test]
fn a_reader_that_waits_for_no_writer_is_an_overlap_once_our_end_is_closed() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    let look = fixture.open();
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    assert_eq!(fixture.fifo.finish(5).unwrap(), Finished::Closed);
    assert_eq!(fixture.hear().unwrap(), []);
    fixture.fifo.seal();
    // With this, all that nobody has read is gone.
    drop(look);
    let options = &mut File::options();
    let _reader = options.read(true).custom_flags(libc::O_NONBLOCK).open(&fixture.path).unwrap();
    assert!(matches!(fixture.hear(), Err(TransferError::Overlap)));
}

#[test]
fn bytes_that_were_taken_unheard_make_the_next_reader_an_overlap() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    fixture.fifo.ends.mute_reads();
    let mut early = fixture.open();
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    early.read_exact(&mut [0; 2]).unwrap();
    assert_eq!(fixture.fifo.finish(5).unwrap(), Finished::Closed);
    let _next =
        File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&fixture.path).unwrap();
    drop(early);
    assert!(matches!(fixture.hear(), Err(TransferError::Overlap)));
}

#[test]
fn the_next_reader_waits_in_open_until_the_one_before_has_closed() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    let first = fixture.read(5);
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    assert_eq!(fixture.fifo.finish(5).unwrap(), Finished::Closed);
    let path = fixture.path.clone();
    let (sender, opened) = mpsc::channel();
    thread::spawn(move || sender.send(File::open(path).unwrap()));
    assert!(opened.recv_timeout(Duration::from_millis(50)).is_err(), "it has no writer");
    drop(first);
    let reactions = fixture.hear().unwrap();
    assert_eq!(reactions.first(), Some(&Reaction::Over { unread: 0 }));
    let _next = opened.recv_timeout(DEADLINE).unwrap();
    let later = fixture.hear().unwrap();
    assert_eq!(reactions.get(1).or_else(|| later.first()), Some(&Reaction::Next));
}

#[test]
fn a_reader_that_took_all_and_left_before_the_end_was_told_is_served() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    drop(fixture.read(5));
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain, Reaction::Over { unread: 0 }]);
    // Or it is found out when the source ends.
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    let reader = fixture.read(5);
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    drop(reader);
    let over = Finished::First(Reaction::Over { unread: 0 });
    assert_eq!(fixture.fifo.finish(5).unwrap(), over);
}

#[test]
fn when_events_are_lost_the_fifo_itself_is_asked() {
    // Nobody came.
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    fixture.lose();
    assert_eq!(fixture.hear().unwrap(), []);
    // Somebody did, and inotify tells of it late: that is not another one.
    fixture.lose();
    let reader = fixture.read(2);
    fixture.fifo.heard.push_back(Seen::Lost);
    let late = fixture.fifo.ends.hear();
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    fixture.fifo.heard.extend(late);
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    // It has left, and that was lost.
    drop(reader);
    drop(fixture.fifo.ends.hear());
    fixture.lose();
    assert_eq!(fixture.hear().unwrap(), [Reaction::Over { unread: 3 }]);
    // The next one has come.
    fixture.written = 0;
    let _next = fixture.open();
    drop(fixture.fifo.ends.hear());
    fixture.lose();
    assert_eq!(fixture.hear().unwrap(), [Reaction::Next]);
    assert_eq!(fixture.hear().unwrap(), []);
}

#[test]
fn a_reader_that_opens_it_for_writing_too_is_a_reader() {
    let mut fixture = Fixture::watched();
    fixture.write(b"hello");
    let mut both = File::options().read(true).write(true).open(&fixture.path).unwrap();
    assert_eq!(fixture.hear().unwrap(), [Reaction::TryAgain]);
    both.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(fixture.fifo.finish(5).unwrap(), Finished::Closed);
    drop(both);
    assert_eq!(fixture.hear().unwrap(), []);
}

/// Without inotify: what the thread's open came to is sent here.
fn in_thread(fixture: &mut Fixture) -> mpsc::Receiver<io::Result<OwnedFd>> {
    assert!(fixture.fifo.needs_a_thread() && !fixture.fifo.is_watched());
    let (sender, opened) = mpsc::channel();
    fixture.fifo.wait_in_thread(move |writer| drop(sender.send(writer))).unwrap();
    opened
}

#[test]
fn without_inotify_a_thread_waits_for_the_one_reading() {
    let mut fixture = Fixture::with(None);
    let opened = in_thread(&mut fixture);
    assert!(fixture.fifo.writer().is_none() && fixture.fifo.is_unopened());
    assert_eq!(fixture.fifo.finish(0).unwrap(), Finished::Waiting, "even of an empty file");
    let reader = fixture.open();
    let writer = opened.recv_timeout(DEADLINE).unwrap().unwrap();
    fixture.fifo.opened_by_thread(writer).unwrap();
    fixture.write(b"hello");
    drop(reader);
    assert_eq!(fixture.left().unwrap(), Reaction::Over { unread: 5 });
    assert!(fixture.fifo.descriptor().is_none());
}

#[test]
fn without_inotify_the_thread_ends_with_the_fifo_wherever_it_is() {
    for _ in 0..50 {
        // It may be inside open(2), or not be there yet.
        let mut fixture = Fixture::with(None);
        let opened = in_thread(&mut fixture);
        drop(fixture);
        opened.recv_timeout(DEADLINE).expect("the thread still waits").unwrap();
    }
}

#[test]
fn without_inotify_a_reader_that_comes_as_the_fifo_goes_sees_the_end() {
    let mut fixture = Fixture::with(None);
    let opened = in_thread(&mut fixture);
    let path = fixture.path.clone();
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    });
    drop(opened.recv_timeout(DEADLINE).unwrap());
    drop(fixture);
    assert!(reading.join().unwrap().is_empty());
}
