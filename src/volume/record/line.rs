//! The lines of a record: JSON, one object a line.
//!
//! A line that was not written to its end says nothing. What it would have named was not made, unless the machine lost
//! its power: the thing may have come to its disk, and the line's end not.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;
use serde::{Deserialize, Serialize};

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// The first one.
    Run {
        run: String,
        /// Device numbers hold until the machine is started anew.
        boot: String,
    },
    /// Something is going to be made.
    Intends { number: u32, thing: Thing },
    /// It was made, as this inode.
    Made { number: u32, inode: Inode },
    /// The container was made.
    Created { number: u32, id: String },
    /// It is not there any more.
    Gone { number: u32 },
}

/// What a run makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Thing {
    Path(Kind, PathName),
    Container(ContainerName),
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// With everything in it.
    Directory,
    Fifo,
    File,
}

/// A name in a folder that is known by its inode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathName {
    pub(super) folder: PathBuf,
    pub(super) inode: Inode,
    /// Links in it are not followed.
    pub(super) name: PathBuf,
}

impl PathName {
    /// Names something in the open `folder`, which lies at `path`.
    pub(super) fn new(folder: BorrowedFd<'_>, path: &Path, name: &Path) -> io::Result<Self> {
        // Whoever reads it has another working directory.
        let path = std::path::absolute(path)?;
        if [path.as_path(), name].iter().any(|path| path.to_str().is_none()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8"));
        }
        Ok(Self { folder: path, inode: Inode::of(folder)?, name: name.to_owned() })
    }

    /// The whole path, for people.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

/// A container, by its name and its engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContainerName {
    pub(crate) engine: String,
    pub(crate) name: String,
    /// It is to be stopped, and stays.
    pub(crate) keep: bool,
}

/// Which file it is: what the kernel compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inode(u64, u64);

impl Inode {
    /// Of an open file.
    pub(crate) fn of(file: impl AsFd) -> io::Result<Self> {
        let found = fstat(file)?;
        Ok(Self(found.st_dev, found.st_ino))
    }

    /// Whether it is the same. Devices may have other numbers `after_a_reboot`.
    pub(super) fn is(self, other: Self, after_a_reboot: AfterReboot) -> bool {
        self.1 == other.1 && (self.0 == other.0 || after_a_reboot == AfterReboot::Yes)
    }
}

/// Whether the machine was started since a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterReboot {
    Yes,
    No,
}

impl Line {
    /// As it is written.
    pub(super) fn to_text(&self) -> String {
        // Its paths were found to be UTF-8, and it has no maps: nothing in it fails.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a line, all of it.
    pub(super) fn parse(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// Whether a line that is not whole may name what no other line does.
    pub(super) fn may_name_something(text: &[u8]) -> bool {
        let more: [&[u8]; 3] = [br#"{"made":"#, br#"{"created":"#, br#"{"gone":"#];
        let is_begun = |more: &[u8]| text.len() > br#"{""#.len() && more.starts_with(text);
        !more.iter().any(|more| text.starts_with(more) || is_begun(more))
    }
}

/// Adds a line to a record, or nothing.
///
/// # Errors
/// As write(2).
pub(super) fn append(record: &mut File, line: &Line, end: &mut End) -> io::Result<()> {
    let before = record.metadata()?.len();
    let end_of_another = if *end == End::Torn { "\n" } else { "" };
    let written = record.write_all(format!("{end_of_another}{}", line.to_text()).as_bytes());
    match written {
        Ok(()) => *end = End::Whole,
        // What there is of the line would run into the next one.
        Err(_) => drop(record.set_len(before).inspect_err(|_| *end = End::Torn)),
    }
    written
}

/// How the last line of a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its newline.
    Whole,
    /// In its middle.
    Torn,
}

/// Which start of the machine this is.
pub(super) fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}
