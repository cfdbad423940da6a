//! The pump where splice(2) is forbidden, as a container's seccomp profile may have it: bytes are copied then.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Command;
use std::thread;

use gantline::internal::pump::{Carrier, Finish, Sink, Source, TransferReport};

use crate::pump_peer::{Act, Fixture, Peer, noise, reader, run_again};
use crate::pump_post::{Server, accept, post, writer};

/// Tests that hold there as well. Those below say what carries the bytes here, and there.
const TESTS: [&str; 10] = [
    "depot::a_file_of_any_size_arrives_as_it_is",
    "depot::a_range_is_part_of_the_file_whichever_way_it_is_asked_for",
    "http_send::one_connection_brings_one_body_after_the_other_byte_for_byte",
    "http_send::whatever_a_server_does_what_it_is_content_with_has_come_whole",
    "pump_fallback::a_body_goes_into_a_fifo",
    "pump_fallback::a_body_goes_into_a_file",
    "pump_fallback::a_fifo_goes_into_a_file",
    "pump_fallback::a_fifo_goes_into_a_post",
    "pump_fallback::a_file_goes_into_a_fifo",
    "pump_fallback::a_pipe_goes_into_a_pipe",
];

/// Says in the process in which splice(2) and sendfile(2) are forbidden that they are.
const FORBIDDEN: &str = "GANTLINE_TEST_NO_SPLICE";

/// Has the kernel answer them with the error of a number, and becomes the program behind it (seccomp(2)): the filter
/// loads the call's number, goes on to the error for one of the two, and else to what lets it pass.
const FORBIDS: &str = r#"
import ctypes, os, platform, struct, sys
splice, sendfile = {"x86_64": (275, 40), "aarch64": (76, 71)}[platform.machine()]
error, passes = 0x00050000 | int(sys.argv[1]), 0x7FFF0000
steps = [(0x20, 0, 0, 0), (0x15, 1, 0, splice), (0x15, 0, 1, sendfile), (0x06, 0, 0, error), (0x06, 0, 0, passes)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]
filter = Filter(len(steps), ctypes.addressof(code))
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
NO_NEW_PRIVILEGES, SECCOMP, WITH_A_FILTER = 38, 22, 2
if prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or prctl(SECCOMP, WITH_A_FILTER, ctypes.addressof(filter), 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// `EPERM` is the engines' answer, `ENOSYS` that of newer profiles and older kernels, `EINVAL` the kernel's own for a pair
/// that it cannot splice.
#[test]
fn bytes_are_copied_where_the_kernel_is_not_to_splice_them() {
    for errno in [libc::EPERM, libc::ENOSYS, libc::EINVAL] {
        let mut forbidden = Command::new("python3");
        forbidden.env(FORBIDDEN, "1").args(["-c", FORBIDS, &errno.to_string()]);
        run_again(forbidden, &TESTS);
    }
}

/// More than a pipe holds, and what is odd about the ends of buffers.
const SIZES: [usize; 5] = [0, 1, 65_537, (1 << 20) + 1, 9 << 20];

/// That of an ordinary process, and that of one that may not splice.
fn carried_by(usual: Carrier) -> Carrier {
    if std::env::var_os(FORBIDDEN).is_some() { Carrier::Copy } else { usual }
}

fn came_whole(report: TransferReport, length: usize, usual: Carrier) {
    assert_eq!((report.finish, report.bytes), (Finish::Complete, length as u64));
    // What has nothing to carry may not have found out.
    if length > 0 {
        assert_eq!(report.carrier, carried_by(usual), "{length}");
    }
}

#[test]
fn a_body_goes_into_a_fifo() {
    for length in SIZES {
        let (fixture, body) = (Fixture::new(), noise(length));
        let (fifo, path) = fixture.fifo("in");
        let peer = Peer::new(body.clone(), &[Act::Break(length / 2), Act::Whole]);
        fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
        assert!(fixture.join(reader(path)) == body, "{length}");
        fixture.flow.container_exited();
        came_whole(fixture.ended(0), length, Carrier::Direct);
    }
}

#[test]
fn a_body_goes_into_a_file() {
    for length in SIZES {
        let (fixture, body) = (Fixture::new(), noise(length));
        let target = fixture.folder.path().join("file");
        let peer = Peer::new(body.clone(), &[Act::Whole]);
        fixture.flow.add(0, peer.source(), Sink::File(File::create(&target).unwrap())).unwrap();
        came_whole(fixture.ended(0), length, Carrier::Splice);
        assert!(fs::read(target).unwrap() == body, "{length}");
    }
}

#[test]
fn a_fifo_goes_into_a_file() {
    for length in SIZES {
        let (fixture, body) = (Fixture::new(), noise(length));
        let (fifo, path) = fixture.fifo("out");
        let target = fixture.folder.path().join("file");
        let sink = Sink::File(File::create(&target).unwrap());
        fixture.flow.add(0, Source::Fifo(fifo), sink).unwrap();
        fixture.join(writer(path, body.clone())).unwrap();
        fixture.flow.container_exited();
        came_whole(fixture.ended(0), length, Carrier::Direct);
        assert!(fs::read(target).unwrap() == body, "{length}");
    }
}

#[test]
fn a_fifo_goes_into_a_post() {
    for length in SIZES {
        let (server, body) = (Server::new(accept), noise(length));
        came_whole(post(server.sink(), &body), length, Carrier::Splice);
        assert!(server.came().1 == body, "{length}");
    }
}

#[test]
fn a_file_goes_into_a_fifo() {
    for length in SIZES {
        let (fixture, body) = (Fixture::new(), noise(length));
        let (fifo, path) = fixture.fifo("in");
        let file = fixture.folder.path().join("file");
        fs::write(&file, &body).unwrap();
        let source = Source::File(File::open(file).unwrap());
        fixture.flow.add(0, source, Sink::Fifo(fifo)).unwrap();
        assert!(fixture.join(reader(path)) == body, "{length}");
        fixture.flow.container_exited();
        came_whole(fixture.ended(0), length, Carrier::Direct);
    }
}

#[test]
fn a_pipe_goes_into_a_pipe() {
    for length in SIZES {
        let (fixture, body) = (Fixture::new(), noise(length));
        let (from, mut into) = std::io::pipe().unwrap();
        let (mut out, to) = std::io::pipe().unwrap();
        fixture.flow.add(0, Source::Pipe(from.into()), Sink::Inherited(to.into())).unwrap();
        let written = body.clone();
        let writing = thread::spawn(move || into.write_all(&written).unwrap());
        let reading = thread::spawn(move || {
            let mut came = Vec::new();
            out.read_to_end(&mut came).map(|_| came).unwrap()
        });
        assert!(fixture.join(reading) == body, "{length}");
        fixture.join(writing);
        came_whole(fixture.ended(0), length, Carrier::Direct);
    }
}
