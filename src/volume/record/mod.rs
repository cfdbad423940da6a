//! What a run makes outside of itself, written down before it is made: whoever finds the record of
//! a run that was killed knows what to remove.
//!
//! A record is a file in a folder of its user, `/var/tmp/gantline-<uid>`, that nobody else may
//! enter (see [`RecordFolder`]). It is locked for as long as its process lives, and goes with the
//! last thing that it names. A thing is named before it is made, by the folder that it lies in,
//! and afterwards by its inode: what else has its name by then is not ours.
//!
//! `line` is the record's text, `folder` where records lie, `dead` reads those of processes that
//! are gone, `found` looks for what they name and removes it.
//!
//! That a record cannot be written stops no run. [`Record::failure`] says it.

mod dead;
mod folder;
mod found;
mod line;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::stat::fstat;
use nix::unistd::{UnlinkatFlags, unlinkat};
use uuid::Uuid;

pub(crate) use self::dead::{DeadRecord, LeftContainer};
pub(crate) use self::folder::{RecordFolder, RecordFolders, Unread};
pub(crate) use self::found::remove_directory;
pub(crate) use self::line::{ContainerName, Kind, Thing};
use self::line::{Inode, Line, PathName, boot};

/// The record of a run. Clones write the same one.
#[derive(Debug, Clone)]
pub(crate) struct Record(Arc<Mutex<State>>);

impl Record {
    /// Begins one in `folder`, and locks it.
    ///
    /// # Errors
    /// As openat(2), and write(2).
    pub(crate) fn begin(folder: &RecordFolder, run: &str) -> io::Result<Self> {
        let place = folder.descriptor().try_clone_to_owned()?;
        // Whatever the id of its run.
        let name = Uuid::new_v4().simple().to_string();
        let file = folder.make(&name)?;
        let mut state =
            State::new(Some(Place { file, folder: place, name, passing: folder.passing() }));
        state.write(&Line::Run { run: run.to_owned(), boot: boot() });
        state.failure.take().map_or(Ok(Self(Arc::new(Mutex::new(state)))), Err)
    }

    /// A record that nobody reads.
    pub(crate) fn none() -> Self {
        Self(Arc::new(Mutex::new(State::new(None))))
    }

    /// A record that could not be begun, and says so.
    fn unwritten(error: io::Error) -> Self {
        let mut state = State::new(None);
        state.failure = Some(error);
        Self(Arc::new(Mutex::new(state)))
    }

    /// Notes what is going to be made.
    pub(crate) fn intends(&self, thing: Thing) -> Note {
        let number = self.state().intends(thing);
        Note { record: self.clone(), number }
    }

    /// Notes something that is going to be made as `name` in `folder`, which lies at `path`.
    pub(crate) fn intends_path(
        &self,
        kind: Kind,
        folder: impl AsFd,
        path: &Path,
        name: &Path,
    ) -> Note {
        // Whoever puts thousands of files into a volume of ours has no record: it goes as a whole.
        if !self.state().is_written() {
            return Note { record: self.clone(), number: UNWRITTEN };
        }
        match PathName::new(folder.as_fd(), path, name) {
            Ok(path) => self.intends(Thing::Path(kind, path)),
            Err(error) => {
                self.state().failure.get_or_insert(error);
                Note { record: Self::none(), number: UNWRITTEN }
            }
        }
    }

    /// The run is over. A record that names nothing goes now: who has a clone may still be there when the process ends.
    pub(crate) fn ends(&self) {
        let mut state = self.state();
        if state.left.is_empty()
            && let Some(place) = state.place.take()
        {
            place.remove();
        }
    }

    /// Why something is not in the record. Says it once.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.state().failure.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thing in a record. It stays there until it is said to be [`gone`](Self::gone).
#[derive(Debug)]
pub(crate) struct Note {
    record: Record,
    number: u32,
}

impl Note {
    /// The thing was made, and this is its inode.
    pub(crate) fn made(&self, inode: impl AsFd) {
        let mut state = self.record.state();
        if !state.is_written() {
            return;
        }
        match Inode::of(inode) {
            Ok(inode) => state.write(&Line::Made { number: self.number, inode }),
            Err(error) => drop(state.failure.get_or_insert(error)),
        }
    }

    /// The engine made the container, and calls it so.
    pub(crate) fn created(&self, id: &str) {
        self.record.state().write(&Line::Created { number: self.number, id: id.to_owned() });
    }

    /// The thing is no more, or somebody else's business.
    pub(crate) fn gone(self) {
        self.record.state().gone(self.number);
    }
}

/// Dropping it removes the record, if it names nothing any more and [`Record::ends`] did not.
#[derive(Debug)]
struct State {
    place: Option<Place>,
    next: u32,
    left: BTreeSet<u32>,
    failure: Option<io::Error>,
}

/// Where a record is.
#[derive(Debug)]
struct Place {
    /// Locked.
    file: File,
    folder: OwnedFd,
    name: String,
    /// The folder's path, if it goes with its last record.
    passing: Option<PathBuf>,
}

impl State {
    fn new(place: Option<Place>) -> Self {
        Self { place, next: 0, left: BTreeSet::new(), failure: None }
    }

    /// Whether anybody can ever read it.
    fn is_written(&self) -> bool {
        self.place.is_some()
    }

    fn intends(&mut self, thing: Thing) -> u32 {
        let number = self.next;
        self.next += 1;
        self.left.insert(number);
        self.write(&Line::Intends { number, thing });
        number
    }

    fn gone(&mut self, number: u32) {
        if self.left.remove(&number) && !self.left.is_empty() {
            self.write(&Line::Gone { number });
        }
    }

    fn write(&mut self, line: &Line) {
        let Some(place) = &mut self.place else { return };
        if let Err(error) = place.file.write_all(line.to_text().as_bytes()) {
            self.failure.get_or_insert(error);
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let Some(place) = &self.place else { return };
        if self.left.is_empty() {
            place.remove();
        }
    }
}

impl Place {
    fn remove(&self) {
        // Somebody may have removed it, and another may have its name: a record is never our last
        // word about anything that is still there.
        let is_there = fstat(&self.file).is_ok_and(|found| found.st_nlink > 0);
        if is_there
            && let Err(error) = unlinkat(&self.folder, &*self.name, UnlinkatFlags::NoRemoveDir)
        {
            tracing::warn!(record = self.name, %error, "the record of a run stays");
        }
        if let Some(folder) = &self.passing {
            // Not while there are other records in it.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// The number of what no record names.
const UNWRITTEN: u32 = u32::MAX;

#[cfg(test)]
mod tests;
