//! Out of FIFOs and attached containers, into files and pipes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

use bytes::Bytes;
use gantline::internal::pump::{
    Attach, Carrier, Finish, Outlet, Piece, Sink, Source, Split, TransferError,
};

use crate::pump_peer::{Act, Fixture, Peer, noise};

#[test]
fn a_pipe_is_over_when_its_writers_have_closed_it_and_needs_no_container() {
    for target in ["file", "pipe"] {
        let fixture = Fixture::new();
        let bytes = noise(3 << 20);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = fixture.folder.path().join("file");
        let (mut far, near) = std::io::pipe().unwrap();
        let sink = match target {
            "file" => Sink::File(File::create(&path).unwrap()),
            _ => Sink::Inherited(near.into()),
        };
        fixture.flow.add(0, Source::Pipe(reader.into()), sink).unwrap();
        let written = bytes.clone();
        let writing = thread::spawn(move || writer.write_all(&written).unwrap());
        let mut read = Vec::new();
        if target == "pipe" {
            far.read_to_end(&mut read).unwrap();
        }
        writing.join().unwrap();
        let report = fixture.ended(0);
        assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Direct));
        assert_eq!(report.bytes, bytes.len() as u64);
        assert!(target == "pipe" && read == bytes || fs::read(&path).unwrap() == bytes);
    }
}

#[test]
fn what_is_no_pipe_is_not_taken_for_one() {
    let fixture = Fixture::new();
    let file = File::open("/dev/null").unwrap();
    let sink = Sink::File(File::create(fixture.folder.path().join("file")).unwrap());
    assert!(fixture.flow.add(0, Source::Pipe(file.into()), sink).is_err());
}

#[test]
fn two_writers_one_after_the_other_are_one_stream() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    let target = fixture.folder.path().join("file");
    fixture.flow.add(0, Source::Fifo(fifo), Sink::File(File::create(&target).unwrap())).unwrap();
    let (first, second) = (noise(3 << 20), noise(100));
    let open = || OpenOptions::new().write(true).open(&path).unwrap();
    open().write_all(&first).unwrap();
    open().write_all(&second).unwrap();
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Direct));
    assert!(fs::read(target).unwrap() == [first, second].concat());
}

#[test]
fn a_writer_that_never_comes_leaves_an_empty_file() {
    let fixture = Fixture::new();
    let (fifo, _) = fixture.fifo("out");
    let target = fixture.folder.path().join("file");
    fixture.flow.add(0, Source::Fifo(fifo), Sink::File(File::create(&target).unwrap())).unwrap();
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.bytes), (Finish::NotOpened, 0));
}

#[test]
fn what_is_in_the_fifo_at_the_exit_still_goes_into_a_slow_pipe() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    let (mut reader, writer) = std::io::pipe().unwrap();
    fixture.flow.add(0, Source::Fifo(fifo), Sink::Inherited(OwnedFd::from(writer))).unwrap();
    let body = noise(4 << 20);
    let sent = body.clone();
    let writing = thread::spawn(move || {
        OpenOptions::new().write(true).open(path).unwrap().write_all(&sent).unwrap();
    });
    let mut first = vec![0; 3 << 20];
    reader.read_exact(&mut first).unwrap();
    fixture.join(writing);
    fixture.flow.container_exited();
    let mut rest = Vec::new();
    let reading = thread::spawn(move || {
        reader.read_to_end(&mut rest).unwrap();
        rest
    });
    assert_eq!(fixture.ended(0).finish, Finish::Complete);
    first.extend(fixture.join(reading));
    assert!(first == body);
}

#[test]
fn a_file_that_is_appended_to_is_copied_into() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    let target = fixture.folder.path().join("file");
    fs::write(&target, b"before").unwrap();
    let file = OpenOptions::new().append(true).open(&target).unwrap();
    fixture.flow.add(0, Source::Fifo(fifo), Sink::Inherited(file.into())).unwrap();
    OpenOptions::new().write(true).open(path).unwrap().write_all(b" after").unwrap();
    fixture.flow.container_exited();
    assert_eq!(fixture.ended(0).carrier, Carrier::Copy);
    assert_eq!(fs::read(target).unwrap(), b"before after");
}

#[test]
fn a_body_goes_into_a_file_through_a_pipe() {
    for length in [0, 1, 70_000, 9 << 20] {
        let body = noise(length);
        let fixture = Fixture::new();
        let target = fixture.folder.path().join("file");
        let peer = Peer::new(body.clone(), &[Act::Break(length / 2), Act::Whole]);
        let sink = Sink::File(File::create(&target).unwrap());
        fixture.flow.add(0, peer.source(), sink).unwrap();
        let report = fixture.ended(0);
        assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Splice));
        assert_eq!(report.bytes, length as u64);
        assert!(fs::read(target).unwrap() == body, "{length}");
    }
}

#[test]
fn a_full_disk_is_the_sinks_error() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    fixture.flow.add(0, Source::Fifo(fifo), Sink::File(full)).unwrap();
    let mut writer = OpenOptions::new().write(true).open(path).unwrap();
    writer.write_all(b"something").unwrap();
    let error = fixture.failed();
    assert!(matches!(error, TransferError::Write(_)), "{error:?}");
}

/// Takes pieces of this form apart: a letter (`o`, `e`), a length of one byte, the payload.
#[derive(Default)]
struct Letters {
    letter: Option<u8>,
    left: Option<usize>,
}

impl Split for Letters {
    fn next<'a>(
        &mut self,
        input: &'a [u8],
    ) -> Result<Piece<'a>, Box<dyn std::error::Error + Send + Sync>> {
        let Some(letter) = self.letter else {
            self.letter = Some(input[0]);
            return Ok(Piece { outlet: None, payload: &[], consumed: 1 });
        };
        let Some(left) = self.left else {
            self.left = Some(input[0].into());
            return Ok(Piece { outlet: None, payload: &[], consumed: 1 });
        };
        let payload = &input[..left.min(input.len())];
        self.left = Some(left - payload.len());
        if payload.len() == left {
            (self.letter, self.left) = (None, None);
        }
        let outlet = if letter == b'o' { Outlet::StdOut } else { Outlet::StdErr };
        Ok(Piece { outlet: Some(outlet), payload, consumed: payload.len() })
    }

    fn end(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.letter.is_some() { Err("in the middle of a piece".into()) } else { Ok(()) }
    }
}

/// The wire form of pieces in turn to both outlets, and what each should get.
fn letters(pieces: usize) -> (Vec<u8>, [Vec<u8>; 2]) {
    let payload = noise(255 * pieces);
    let (mut wire, mut expected) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (number, piece) in payload.chunks(255).enumerate() {
        wire.extend([b"oe"[number % 2], 255]);
        wire.extend(piece);
        expected[number % 2].extend(piece);
    }
    (wire, expected)
}

pub(crate) fn attached(socket: UnixStream, read_ahead: Vec<u8>) -> Attach {
    socket.set_nonblocking(true).unwrap();
    let split = Box::new(Letters::default());
    Attach::new(socket.into(), Bytes::from(read_ahead), split)
}

#[test]
fn both_streams_arrive_exactly_and_apart() {
    let fixture = Fixture::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (wire, expected) = letters(20_000);
    let targets = ["out", "err"].map(|name| fixture.folder.path().join(name));
    let [out, err] = targets.each_ref().map(|path| Sink::File(File::create(path).unwrap()));
    let attach = attached(ours, wire[..300].to_vec());
    fixture.flow.attach(attach, (0, out), (1, err)).unwrap();
    let writing = thread::spawn(move || theirs.write_all(&wire[300..]).unwrap());
    fixture.join(writing);
    for id in 0..2 {
        let report = fixture.ended(id);
        assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Spool));
        assert!(fs::read(&targets[id]).unwrap() == expected[id]);
    }
}

#[test]
fn a_sink_that_takes_nothing_does_not_hold_the_container_up() {
    let fixture = Fixture::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (wire, expected) = letters(40_000);
    let (mut out, blocked) = std::io::pipe().unwrap();
    let (err, refused) = std::io::pipe().unwrap();
    drop(err);
    let sinks = [blocked, refused].map(|pipe| Sink::Inherited(OwnedFd::from(pipe)));
    let [out_sink, err_sink] = sinks;
    fixture.flow.attach(attached(ours, Vec::new()), (0, out_sink), (1, err_sink)).unwrap();
    // All of it is taken although nobody reads: 10 MB, and a pipe has one at most.
    fixture.join(thread::spawn(move || theirs.write_all(&wire).unwrap()));
    fixture.flow.container_exited();
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let mut finishes = [Finish::Failed; 2];
    for _ in 0..2 {
        loop {
            let notice = fixture.notices.recv_timeout(crate::pump_peer::DEADLINE).unwrap();
            if let gantline::internal::pump::Notice::Ended { id, report } = notice {
                finishes[id] = report.finish;
                break;
            }
        }
    }
    assert_eq!(finishes, [Finish::Complete, Finish::Refused]);
    assert!(fixture.join(reading) == expected[0]);
}

#[test]
fn a_reader_that_pauses_gets_everything_in_its_order() {
    let fixture = Fixture::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (wire, expected) = letters(40_000);
    let (mut out, sink) = std::io::pipe().unwrap();
    let err = File::create(fixture.folder.path().join("err")).unwrap();
    let out_sink = Sink::Inherited(OwnedFd::from(sink));
    let attach = attached(ours, Vec::new());
    fixture.flow.attach(attach, (0, out_sink), (1, Sink::File(err))).unwrap();
    // Now the pipe takes what comes, now it is full and the rest is spooled.
    let (read, mut bytes) = (expected[0].len() / 40, Vec::new());
    for part in wire.chunks(wire.len() / 20 + 1) {
        theirs.write_all(part).unwrap();
        let mut some = vec![0; read];
        out.read_exact(&mut some).unwrap();
        bytes.extend(some);
    }
    drop(theirs);
    let reading = thread::spawn(move || {
        out.read_to_end(&mut bytes).unwrap();
        bytes
    });
    assert_eq!(fixture.ended(1).finish, Finish::Complete);
    assert_eq!(fixture.ended(0).bytes, expected[0].len() as u64);
    assert!(fixture.join(reading) == expected[0]);
    assert!(fs::read(fixture.folder.path().join("err")).unwrap() == expected[1]);
}

#[test]
fn output_that_ends_in_the_middle_of_a_piece_fails() {
    let fixture = Fixture::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let sinks = ["out", "err"].map(|name| File::create(fixture.folder.path().join(name)).unwrap());
    let [out, err] = sinks.map(Sink::File);
    fixture.flow.attach(attached(ours, Vec::new()), (0, out), (1, err)).unwrap();
    theirs.write_all(b"o\x05abc").unwrap();
    drop(theirs);
    let error = loop {
        match fixture.notices.recv_timeout(crate::pump_peer::DEADLINE).unwrap() {
            gantline::internal::pump::Notice::Failed { id: 0, error } => break error,
            gantline::internal::pump::Notice::Failed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    };
    assert!(matches!(error, TransferError::Split(_)));
}

#[test]
fn what_fails_after_the_exit_has_its_end_told() {
    let fixture = Fixture::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let err = File::create(fixture.folder.path().join("err")).unwrap();
    let attach = attached(ours, Vec::new());
    fixture.flow.attach(attach, (0, Sink::File(full)), (1, Sink::File(err))).unwrap();
    fixture.flow.container_exited();
    theirs.write_all(b"o\x03abce\x03abc").unwrap();
    assert!(matches!(fixture.failed(), TransferError::Write(_)));
    assert_eq!(fixture.ended(0).finish, Finish::Failed);
    drop(theirs);
    assert_eq!(fixture.ended(1).finish, Finish::Complete);
}

#[test]
fn bytes_that_the_sink_does_not_take_by_splice_are_rescued_from_the_pipe() {
    for length in [1, 70_000, 9 << 20] {
        let body = noise(length);
        let fixture = Fixture::new();
        let target = fixture.folder.path().join("file");
        fs::write(&target, b"before").unwrap();
        // splice(2) into it is EINVAL, and that is known only once the pipe between holds bytes.
        let file = OpenOptions::new().append(true).open(&target).unwrap();
        let peer = Peer::new(body.clone(), &[Act::Break(length / 2), Act::Whole]);
        fixture.flow.add(0, peer.source(), Sink::File(file)).unwrap();
        let report = fixture.ended(0);
        assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Copy));
        assert!(fs::read(target).unwrap() == [&b"before"[..], &body].concat(), "{length}");
    }
}

#[test]
fn an_error_of_a_splice_is_that_of_the_end_which_it_is_of() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("file");
    fs::write(&path, b"hello").unwrap();
    // Both are EBADF.
    let (from, mut into) = std::io::pipe().unwrap();
    into.write_all(b"hello").unwrap();
    let unwritable = Sink::File(File::open(&path).unwrap());
    fixture.flow.add(0, Source::Pipe(from.into()), unwritable).unwrap();
    assert!(matches!(fixture.failed(), TransferError::Write(_)));
    let unreadable = Source::File(OpenOptions::new().write(true).open(&path).unwrap());
    let (_out, to) = std::io::pipe().unwrap();
    fixture.flow.add(1, unreadable, Sink::Inherited(to.into())).unwrap();
    assert!(matches!(fixture.failed(), TransferError::Read(_)));
}
