//! A record whose process is gone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::found::{Found, Traits};
use super::line::{AfterReboot, ContainerName, Inode, Kind, Line, Thing, boot};
use crate::volume::VolumeError;

/// What a killed run has left, as far as it wrote it down. The record is locked for as long as
/// this is held: who prunes at the same time does not see it.
#[derive(Debug)]
pub(crate) struct DeadRecord {
    file: File,
    folder: OwnedFd,
    name: PathBuf,
    owner: u32,
    run: String,
    reboot: AfterReboot,
    left: BTreeMap<u32, Left>,
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
    /// Reads a locked record.
    pub(super) fn read(file: File, folder: OwnedFd, name: &Path, owner: u32) -> io::Result<Self> {
        let mut text = String::new();
        (&file).take(MAX_RECORD).read_to_string(&mut text)?;
        let mut record = Self {
            file,
            folder,
            name: name.to_owned(),
            owner,
            run: String::new(),
            reboot: AfterReboot::No,
            left: BTreeMap::new(),
        };
        // What follows the last newline was not written to its end.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            record.take(Line::parse(line)?);
        }
        Ok(record)
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
        let line = Line::Gone { number }.to_text();
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // It is looked for again, and not found.
            tracing::debug!(record = %self.name.display(), %error, "cannot note what is gone");
        }
    }

    /// Removes the record, if it names nothing any more.
    pub(crate) fn close(self) {
        if self.left.is_empty()
            && let Err(error) = unlinkat(&self.folder, &self.name, UnlinkatFlags::NoRemoveDir)
        {
            tracing::warn!(record = %self.name.display(), %error, "the record of a run stays");
        }
    }
}

/// Ours have a few lines. Those of other users are not to fill the memory of whoever prunes.
const MAX_RECORD: u64 = 16 << 20;
