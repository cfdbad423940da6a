//! Steps with a FIFO that the system refuses: the error says which step it was, and of which FIFO.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gantline::internal::pump::{Sink, Source};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::http_support::chain;
use crate::pump_peer::{Fixture, run_again};

const ALONE: &str = "GANTLINE_TEST_ALONE";

/// A limit is one of the whole process: so the test has one of its own, in which this is false.
fn has_run_alone(test: &str) -> bool {
    let is_first = std::env::var_os(ALONE).is_none();
    if is_first {
        let mut alone = Command::new("env");
        alone.arg(format!("{ALONE}=1"));
        run_again(alone, &[&format!("pump_steps::{test}")]);
    }
    is_first
}

/// A limit of descriptors, until this is dropped. Those that are open stay so. With a limit of none poll(2) cannot be
/// called, either.
struct Limited {
    before: (u64, u64),
}

impl Limited {
    fn to(most: u64) -> Self {
        let before = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, most, before.1).unwrap();
        Self { before }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        setrlimit(Resource::RLIMIT_NOFILE, self.before.0, self.before.1).unwrap();
    }
}

/// A file of five bytes goes into a FIFO, whose path this is.
fn five_bytes(fixture: &Fixture) -> PathBuf {
    let (fifo, path) = fixture.fifo("in");
    let file = fixture.folder.path().join("file");
    fs::write(&file, b"hello").unwrap();
    fixture.flow.add(0, Source::File(File::open(file).unwrap()), Sink::Fifo(fifo)).unwrap();
    path
}

fn real(path: &Path) -> String {
    path.canonicalize().unwrap().display().to_string()
}

#[test]
fn a_first_opening_that_fails_is_told_as_that() {
    if has_run_alone("a_first_opening_that_fails_is_told_as_that") {
        return;
    }
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let (path, source) = (real(&path), Source::File(tempfile::tempfile().unwrap()));
    let _limited = Limited::to(3);
    let error = fixture.flow.add(0, source, Sink::Fifo(fifo)).unwrap_err();
    let told = format!("cannot open the FIFO {path}: Too many open files (os error 24)");
    assert_eq!(chain(&error), told);
}

#[test]
fn an_opening_for_the_next_reader_that_fails_is_told_as_that() {
    if has_run_alone("an_opening_for_the_next_reader_that_fails_is_told_as_that") {
        return;
    }
    let fixture = Fixture::new();
    let path = five_bytes(&fixture);
    let (reader, path) = (File::open(&path).unwrap(), real(&path));
    fixture.advanced(5);
    let _limited = Limited::to(3);
    std::io::Read::read_exact(&mut &reader, &mut [0; 2]).unwrap();
    drop(reader);
    let told = format!("cannot open the FIFO {path} again: Too many open files (os error 24)");
    assert_eq!(chain(&fixture.failed()), told);
}

#[test]
fn a_question_that_fails_is_told_as_that() {
    if has_run_alone("a_question_that_fails_is_told_as_that") {
        return;
    }
    let fixture = Fixture::new();
    let path = five_bytes(&fixture);
    fixture.advanced(5);
    let path = real(&path);
    let mut program = Command::new("sh");
    program.args(["-c", "read go; exec cat \"$0\"", &path]);
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let limited = Limited::to(0);
    program.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let told = format!(
        "cannot ask who reads the FIFO {path}, and how much is in it: Invalid argument (os error 22)"
    );
    assert_eq!(chain(&fixture.failed()), told);
    drop(limited);
    program.kill().unwrap();
    program.wait().unwrap();
}
