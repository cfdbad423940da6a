//! A record whose process is gone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::found::{Found, Traits};
use super::line::{AfterReboot, ContainerName, End, Inode, Kind, Line, Thing, append, boot};
use crate::volume::VolumeError;

/// What a killed run has left, as far as it wrote it down. The record is locked for as long as
/// this is held: who prunes at the same time does not see it.
#[derive(Debug)]
pub(crate) struct DeadRecord {
    file: File,
    folder: OwnedFd,
    path: PathBuf,
    owner: u32,
    run: String,
    reboot: AfterReboot,
    left: BTreeMap<u32, Left>,
    /// Lines that say nothing, and may have named something.
    torn: Vec<String>,
    end: End,
}

/// Something that is named and was not said to be gone.
#[derive(Debug)]
struct Left {
    thing: Thing,
    inode: Option<Inode>,
    id: Option<String>,
}

/// A container that a record names.
#[derive(Debug, Clone)]
pub(crate) struct LeftContainer {
    pub(crate) number: u32,
    pub(crate) container: ContainerName,
    /// What the engine calls it, if it was heard.
    pub(crate) id: Option<String>,
}

impl DeadRecord {
    /// Reads a locked record, from its folder and at its path.
    ///
    /// Lines that are not whole, as a machine leaves them that lost its power, are passed over.
    ///
    /// # Errors
    /// As read(2). `InvalidData`: nobody can tell whose it is.
    pub(super) fn read(
        file: File,
        (folder, path): (OwnedFd, PathBuf),
        owner: u32,
    ) -> io::Result<Self> {
        let mut bytes = Vec::new();
        (&file).take(MAX_RECORD + 1).read_to_end(&mut bytes)?;
        let is_cut = bytes.len() as u64 > MAX_RECORD;
        bytes.truncate(usize::try_from(MAX_RECORD).unwrap_or(usize::MAX));
        let mut record = Self {
            file,
            folder,
            path,
            owner,
            run: String::new(),
            reboot: AfterReboot::No,
            left: BTreeMap::new(),
            torn: Vec::new(),
            end: match bytes.last() {
                None | Some(b'\n') => End::Whole,
                Some(_) => End::Torn,
            },
        };
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match Line::parse(line) {
                Ok(line) => record.take(line),
                Err(_) if Line::may_name_something(line) => record.tears(|| excerpt(line)),
                Err(_) => {}
            }
        }
        if is_cut {
            record.tears(|| format!("what stands behind its first {MAX_RECORD} bytes"));
        }
        // One that broke off in its first line names nothing.
        if record.run.is_empty() && (!record.left.is_empty() || record.torn.len() > 1) {
            let told = format!("its first line is not whole: {}", record.torn.join(", "));
            return Err(io::Error::new(io::ErrorKind::InvalidData, told));
        }
        if record.run.is_empty() {
            record.torn.clear();
        }
        Ok(record)
    }

    /// Whoever fills a record with nonsense fills no memory.
    fn tears(&mut self, line: impl FnOnce() -> String) {
        if self.torn.len() < MOST_TORN {
            self.torn.push(line());
        }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Run { run, boot: then } => {
                self.run = run;
                self.reboot = if then == boot() { AfterReboot::No } else { AfterReboot::Yes };
            }
            Line::Intends { number, thing } => {
                self.left.insert(number, Left { thing, inode: None, id: None });
            }
            Line::Made { number, inode } => {
                if let Some(left) = self.left.get_mut(&number) {
                    left.inode = Some(inode);
                }
            }
            Line::Created { number, id } => {
                if let Some(left) = self.left.get_mut(&number) {
                    left.id = Some(id);
                }
            }
            Line::Gone { number } => drop(self.left.remove(&number)),
        }
    }

    /// The run's id.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// The user whose record it is.
    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it and is not whole, shown safely: it may have named what is still there.
    pub(crate) fn torn(&self) -> &[String] {
        &self.torn
    }

    /// How long ago it was written to. One that nobody can tell that of is old.
    pub(crate) fn age(&self) -> Duration {
        let written = self.file.metadata().and_then(|found| found.modified());
        // A clock that was set back says that it was just now.
        written.map_or(Duration::MAX, |written| written.elapsed().unwrap_or_default())
    }

    /// The containers that it names.
    pub(crate) fn containers(&self) -> Vec<LeftContainer> {
        let containers = self.left.iter().filter_map(|(number, left)| match &left.thing {
            Thing::Container(container) => Some(LeftContainer {
                number: *number,
                container: container.clone(),
                id: left.id.clone(),
            }),
            Thing::Path(..) => None,
        });
        containers.collect()
    }

    /// The paths that it names, the last one first: what lies in a volume goes before the volume.
    pub(crate) fn paths(&self) -> Vec<(u32, Kind, PathBuf)> {
        let paths = self.left.iter().rev().filter_map(|(number, left)| match &left.thing {
            Thing::Path(kind, path) => Some((*number, *kind, path.path())),
            Thing::Container(_) => None,
        });
        paths.collect()
    }

    /// Looks for a path that the record names: the very thing that the run made.
    ///
    /// # Errors
    /// It cannot be looked for. That something else has its name, or its folder's, is none.
    pub(crate) fn find(&self, number: u32) -> Result<Option<Found>, VolumeError> {
        let Some(Left { thing: Thing::Path(kind, path), inode, .. }) = self.left.get(&number)
        else {
            return Ok(None);
        };
        let traits = Traits { kind: *kind, inode: *inode, owner: self.owner, reboot: self.reboot };
        Found::look_for(path, &traits)
            .map_err(|source| VolumeError::Find { path: path.path(), source })
    }

    /// Notes that something is not there any more.
    pub(crate) fn gone(&mut self, number: u32) {
        self.left.remove(&number);
        if let Err(error) = append(&mut self.file, &Line::Gone { number }, &mut self.end) {
            // It is looked for again, and not found.
            tracing::debug!(record = %self.path.display(), %error, "cannot note what is gone");
        }
    }

    /// Removes the record, if it names nothing any more, and has not done so in a line that is not whole.
    pub(crate) fn close(self) {
        let name = self.path.file_name().unwrap_or_default();
        if self.left.is_empty()
            && self.torn.is_empty()
            && let Err(error) = unlinkat(&self.folder, name, UnlinkatFlags::NoRemoveDir)
        {
            tracing::warn!(record = %self.path.display(), %error, "the record of a run stays");
        }
    }
}

/// The beginning of a line, with all that a terminal obeys escaped.
fn excerpt(line: &[u8]) -> String {
    let shown = line.get(..MOST_SHOWN).unwrap_or(line);
    format!("{:?}", String::from_utf8_lossy(shown))
}

/// A machine that loses its power tears one.
const MOST_TORN: usize = 8;

/// A path is seldom longer.
const MOST_SHOWN: usize = 400;

/// Ours have a few lines. Those of other users are not to fill the memory of whoever prunes.
const MAX_RECORD: u64 = 16 << 20;
