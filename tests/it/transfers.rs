//! The pump by itself, as who embeds the library has it: descriptors of every kind, and files.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

use gantline::transfers::{Carrier, Finish, Moved, Pump, PumpOptions, Sink, Source};

use crate::pump_peer::noise;

/// Moves what a descriptor gives into a file and into a pipe, and says how each of the two went.
fn into_a_file_and_a_pipe(mut open: impl FnMut(Vec<u8>) -> OwnedFd) -> [Moved; 2] {
    let pump = Pump::start(PumpOptions::default()).unwrap();
    let bytes = noise(3 << 20);
    let file = tempfile::NamedTempFile::new().unwrap();
    let sink = Sink::file(file.reopen().unwrap());
    let to_file = pump.begin(Source::descriptor(open(bytes.clone())), sink).unwrap();
    let to_file = to_file.wait().unwrap();
    assert!(fs::read(file.path()).unwrap() == bytes);

    let (mut reader, writer) = std::io::pipe().unwrap();
    let source = Source::descriptor(open(bytes.clone()));
    let to_pipe = pump.begin(source, Sink::descriptor(writer)).unwrap();
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == bytes);
    let moved = [to_file, to_pipe.wait().unwrap()];
    for moved in &moved {
        assert_eq!((moved.finish, moved.bytes), (Finish::Complete, bytes.len() as u64));
    }
    moved
}

fn carriers(moved: [Moved; 2]) -> [Carrier; 2] {
    moved.map(|moved| moved.carrier)
}

/// Writes in pieces of all sizes, in a thread.
fn written(mut end: impl Write + Send + 'static, bytes: Vec<u8>) {
    thread::spawn(move || {
        let (mut left, mut length) = (&*bytes, 1);
        while !left.is_empty() {
            let (now, later) = left.split_at(length.min(left.len()));
            end.write_all(now).unwrap();
            (left, length) = (later, length * 3);
        }
    });
}

#[test]
fn a_pipe_is_spliced() {
    let moved = into_a_file_and_a_pipe(|bytes| {
        let (reader, writer) = std::io::pipe().unwrap();
        written(writer, bytes);
        reader.into()
    });
    assert_eq!(carriers(moved), [Carrier::Direct, Carrier::Direct]);
}

#[test]
fn a_socket_is_spliced() {
    let of_tcp = into_a_file_and_a_pipe(|bytes| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        written(listener.accept().unwrap().0, bytes);
        near.into()
    });
    assert_eq!(carriers(of_tcp), [Carrier::Splice, Carrier::Direct]);
    let of_unix = into_a_file_and_a_pipe(|bytes| {
        let (near, far) = UnixStream::pair().unwrap();
        written(far, bytes);
        near.into()
    });
    assert_eq!(carriers(of_unix), [Carrier::Splice, Carrier::Direct]);
}

#[test]
fn a_regular_file_is_spliced_from_its_offset_on() {
    let moved = into_a_file_and_a_pipe(|bytes| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"read by others").unwrap();
        file.write_all(&bytes).unwrap();
        file.seek(SeekFrom::Start(14)).unwrap();
        file.into()
    });
    assert_eq!(carriers(moved), [Carrier::Splice, Carrier::Direct]);
}

#[test]
fn a_device_that_is_always_ready_needs_no_watching() {
    let pump = Pump::start(PumpOptions::default()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let null = Source::descriptor(File::open("/dev/null").unwrap());
    let moved = pump.begin(null, Sink::file(file.reopen().unwrap())).unwrap().wait().unwrap();
    assert_eq!((moved.finish, moved.bytes), (Finish::Complete, 0));
}

#[test]
fn a_pipe_that_others_have_as_well_blocks_them_as_before() {
    let pump = Pump::start(PumpOptions::default()).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let theirs = reader.try_clone().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let sink = Sink::file(file.reopen().unwrap());
    let transfer = pump.begin(Source::descriptor(reader), sink).unwrap();
    let flags = fs::read_to_string(format!("/proc/self/fdinfo/{}", theirs.as_raw_fd())).unwrap();
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
    assert_eq!(flags & libc::O_NONBLOCK, 0);
    drop(writer);
    assert_eq!(transfer.wait().unwrap().bytes, 0);
}
