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
//! That there can be no record stops no run: [`Record::failure`] says it. A line that cannot be written whole, since the
//! disk is full, does: what it names is not made.

mod dead;
mod folder;
mod found;
mod line;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
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
use self::line::{End, Inode, Line, PathName, append, boot};
use super::VolumeError;

/// The record of a run. Clones write the same one.
#[derive(Debug, Clone)]
pub(crate) struct Record(Arc<Mutex<State>>);

impl Record {
    /// Begins one in `folder`, and locks it.
    ///
    /// # Errors
    /// As openat(2), and write(2).
    pub(crate) fn begin(folder: &RecordFolder, run: &str) -> io::Result<Self> {
        let directory = folder.descriptor().try_clone_to_owned()?;
        // Whatever the id of its run.
        let name = Uuid::new_v4().simple().to_string();
        let file = folder.make(&name)?;
        let (path, passing) = (folder.path().to_owned(), folder.is_passing());
        let place = Place { file, directory, name, path, passing, end: End::Whole };
        // Dropping it takes the file away.
        let mut state = State::new(Some(place));
        state.write(&Line::Run { run: run.to_owned(), boot: boot() })?;
        Ok(Self(Arc::new(Mutex::new(state))))
    }

    /// A record that nobody reads.
    pub(crate) fn none() -> Self {
        Self(Arc::new(Mutex::new(State::new(None))))
    }

    /// A record that could not be begun in a folder, and says so.
    fn unwritten(folder: &Path, error: io::Error) -> Self {
        let mut state = State::new(None);
        if is_for_want_of_room(&error) {
            state.full = error.raw_os_error().map(|errno| (folder.to_owned(), errno));
        } else {
            let told = format!("{}: {error}", folder.display());
            state.failure = Some(io::Error::new(error.kind(), told));
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// Notes what is going to be made.
    ///
    /// # Errors
    /// [`VolumeError::Record`]: it could not be noted, and is not to be made.
    pub(crate) fn intends(&self, thing: Thing) -> Result<Note, VolumeError> {
        let number = self.state().intends(thing)?;
        Ok(Note { record: self.clone(), number })
    }

    /// Notes something that is going to be made as `name` in `folder`, which lies at `path`.
    ///
    /// # Errors
    /// Those of [`intends`](Self::intends).
    pub(crate) fn intends_path(
        &self,
        kind: Kind,
        folder: impl AsFd,
        path: &Path,
        name: &Path,
    ) -> Result<Note, VolumeError> {
        // Whoever puts thousands of files into a volume of ours has no record: it goes as a whole.
        if !self.state().is_written() {
            return Ok(Note { record: self.clone(), number: UNWRITTEN });
        }
        match PathName::new(folder.as_fd(), path, name) {
            Ok(path) => self.intends(Thing::Path(kind, path)),
            Err(error) => {
                self.state().failure.get_or_insert(error);
                Ok(Note { record: Self::none(), number: UNWRITTEN })
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
            Ok(inode) => state.adds(&Line::Made { number: self.number, inode }),
            Err(error) => drop(state.failure.get_or_insert(error)),
        }
    }

    /// The engine made the container, and calls it so.
    pub(crate) fn created(&self, id: &str) {
        self.record.state().adds(&Line::Created { number: self.number, id: id.to_owned() });
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
    /// The folder that had no room for it, and what the kernel said.
    full: Option<(PathBuf, i32)>,
}

/// Where a record is.
#[derive(Debug)]
struct Place {
    /// Locked.
    file: File,
    /// The folder.
    directory: OwnedFd,
    path: PathBuf,
    name: String,
    /// The folder goes with its last record.
    passing: bool,
    end: End,
}

impl State {
    fn new(place: Option<Place>) -> Self {
        Self { place, next: 0, left: BTreeSet::new(), failure: None, full: None }
    }

    /// Whether anybody can ever read it, or should.
    fn is_written(&self) -> bool {
        self.place.is_some() || self.full.is_some()
    }

    fn intends(&mut self, thing: Thing) -> Result<u32, VolumeError> {
        if let Some((folder, errno)) = &self.full {
            let source = io::Error::from_raw_os_error(*errno);
            return Err(VolumeError::Record { folder: folder.clone(), source });
        }
        let number = self.next;
        self.write(&Line::Intends { number, thing }).map_err(|source| {
            let folder = self.place.as_ref().map(|place| place.path.clone()).unwrap_or_default();
            VolumeError::Record { folder, source }
        })?;
        self.next += 1;
        self.left.insert(number);
        Ok(number)
    }

    fn gone(&mut self, number: u32) {
        if self.left.remove(&number) && !self.left.is_empty() {
            self.adds(&Line::Gone { number });
        }
    }

    /// Writes what is more about a thing that the record names. Without it the thing is found as well.
    fn adds(&mut self, line: &Line) {
        if let Err(error) = self.write(line) {
            tracing::debug!(%error, "a line of a record cannot be written");
        }
    }

    /// Writes a line, or nothing.
    fn write(&mut self, line: &Line) -> io::Result<()> {
        let Some(place) = &mut self.place else { return Ok(()) };
        append(&mut place.file, line, &mut place.end)
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
            && let Err(error) = unlinkat(&self.directory, &*self.name, UnlinkatFlags::NoRemoveDir)
        {
            tracing::warn!(record = self.name, %error, "the record of a run stays");
        }
        if self.passing {
            // Not while there are other records in it.
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Where there is no place for records at all nothing is written down. One that is full may be of use again.
fn is_for_want_of_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The number of what no record names.
const UNWRITTEN: u32 = u32::MAX;

#[cfg(test)]
mod tests;
