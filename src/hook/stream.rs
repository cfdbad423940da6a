//! A file of an item that a container writes while it runs (`GirderStreamToItem`).
//!
//! If its size is known, it is uploaded while it comes. Bytes arrive in a pipe; one thread gathers
//! them into chunks, in a file without a name that has room for two, and another sends the chunk
//! that is whole while the next one is gathered. So whoever writes into the pipe never waits for a
//! request, a chunk that fails can be sent again, and a container that pauses keeps no request open.
//! If the size is not known, everything is gathered, by others, in a file without a name.
//!
//! Girder makes a file of an upload with its last byte. So the last chunk, or the whole upload if
//! the size is not known, waits until it is told [`keep`](StreamUpload::keep): that the container
//! has succeeded. Dropped before, nothing stays in Girder. A file whose size was not known is whole on the disk by
//! then: if Girder does not take it, it gets a name there.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, select};
use nix::fcntl::{AT_FDCWD, AtFlags, copy_file_range};
use nix::unistd::linkat;

use super::gather::{Chunks, Count, Gathered, RING};
use super::send::{Content, Sending, Supply, Target};
use super::{Access, HookError, Session, Uploaded};
use crate::span::carried;
use crate::spec::UploadOptions;
use crate::store::{Parent, UploadState};

/// A file that is to be.
#[derive(Debug, Clone)]
pub(crate) struct StreamedFile {
    pub(crate) item_id: String,
    pub(crate) name: String,
    /// Bytes, if that is known.
    pub(crate) size: Option<u64>,
    /// Where it stays if it is whole and Girder does not take it.
    pub(crate) stays_in: Option<PathBuf>,
}

/// Where its bytes are to be written. Closing it is their end.
#[derive(Debug)]
pub(crate) enum Inlet {
    Pipe(OwnedFd),
    File(File),
}

/// Told once how it ended, in the upload's thread. Of one that was dropped: that it was cancelled.
pub(crate) type Settled = Box<dyn FnOnce(Settlement) + Send>;

/// How an upload ended.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) ended: Result<Uploaded, HookError>,
    /// Where its bytes are, if they are all there and not in Girder; why they are not.
    pub(crate) stays: Option<io::Result<PathBuf>>,
}

/// An upload that goes on. Dropping it gives it up; `Settled` is told when that is done.
#[derive(Debug)]
pub(crate) struct StreamUpload {
    keep: Sender<()>,
    _stop: Sender<Infallible>,
}

impl StreamUpload {
    /// Begins an upload, which blocks until Girder agrees. What has to be on the disk meanwhile is
    /// in `folder`.
    ///
    /// # Errors
    /// There is no such item, it is not ours to write, or the disk cannot be used.
    pub(crate) fn begin(
        file: StreamedFile,
        folder: &Path,
        access: Access,
        settled: Settled,
    ) -> Result<(Self, Inlet), HookError> {
        let (keep, verdict) = bounded(1);
        let (stop, cancelled) = bounded(0);
        let session = access.session(cancelled);
        let unusable = |source| HookError::Gather { source };
        let unready = |source| HookError::Prepare { source };
        session.look_for(&file)?;
        let gathered = tempfile::tempfile_in(folder).map_err(unusable)?;
        let shared = gathered.try_clone().map_err(unusable)?;
        let (work, inlet): (Box<dyn FnOnce() -> Settlement + Send>, Inlet) = match file.size {
            None => {
                let work = move || unsized_upload(session, &file, &shared, &verdict);
                (Box::new(work), Inlet::File(gathered))
            }
            Some(size) => {
                let (reader, writer) = io::pipe().map_err(unready)?;
                let chunks = Chunks::gather(reader, gathered, size).map_err(unready)?;
                let begun = session.begin_stream(&file, size, &shared)?;
                let work = move || {
                    let ended = sized_upload(&session, &file, (begun, shared), (chunks, verdict));
                    Settlement { ended, stays: None }
                };
                (Box::new(work), Inlet::Pipe(writer.into()))
            }
        };
        let spawned = thread::Builder::new().name("gantline-upload".into());
        spawned.spawn(carried(move || settled(work()))).map_err(unready)?;
        Ok((Self { keep, _stop: stop }, inlet))
    }

    /// Everything was written, and is to stay. If the size was not known, the upload begins now.
    pub(crate) fn keep(&self) {
        // One that has failed has said so.
        let _ = self.keep.try_send(());
    }
}

impl Session {
    /// Finds out whether there is such an item, and whether we may write to it.
    fn look_for(&self, file: &StreamedFile) -> Result<(), HookError> {
        let item = &file.item_id;
        self.ask(("item", item), |store| store.check_parent(Parent::Item(item)))
    }

    /// Begins an upload of known size; one of nothing is a file at once, so that has to wait.
    fn begin_stream(
        &self,
        file: &StreamedFile,
        size: u64,
        gathered: &File,
    ) -> Result<Option<UploadState>, HookError> {
        if size == 0 {
            return Ok(None);
        }
        let content = file.content(gathered, size)?;
        let options = UploadOptions::default();
        Sending::new(self, content, &file.target(&options)).begin().map(Some)
    }
}

impl StreamedFile {
    fn target<'a>(&'a self, options: &'a UploadOptions) -> Target<'a> {
        Target { parent: Parent::Item(&self.item_id), name: &self.name, existing: None, options }
    }

    /// Gives what was gathered a name, in a folder of its own.
    fn stay(&self, gathered: &File, folder: &Path) -> io::Result<PathBuf> {
        let inside = tempfile::Builder::new().prefix("gantline-kept-").tempdir_in(folder)?;
        let name = Path::new(&self.name).file_name().unwrap_or_else(|| "file".as_ref());
        let path = inside.path().join(name);
        // open(2), O_TMPFILE. A file system without that has to copy.
        let nameless = format!("/proc/self/fd/{}", gathered.as_raw_fd());
        let follow = AtFlags::AT_SYMLINK_FOLLOW;
        if linkat(AT_FDCWD, nameless.as_str(), AT_FDCWD, &path, follow).is_err() {
            let mut from = gathered.try_clone()?;
            from.rewind()?;
            let file = File::create_new(&path)?;
            while copy_file_range(&from, None, &file, None, COPIED_AT_ONCE)? > 0 {}
        }
        let _ = inside.keep();
        Ok(path)
    }

    fn content(&self, gathered: &File, size: u64) -> Result<Content, HookError> {
        let file = gathered.try_clone().map_err(|source| HookError::Gather { source })?;
        Ok(Content::ring(&self.name, file, size, RING))
    }
}

fn unsized_upload(
    mut session: Session,
    file: &StreamedFile,
    gathered: &File,
    verdict: &Receiver<()>,
) -> Settlement {
    let cancelled = || HookError::Cancelled { path: file.name.clone() };
    if verdict.recv().is_err() {
        return Settlement { ended: Err(cancelled()), stays: None };
    }
    let mut send = || {
        let copy = gathered.try_clone().map_err(|source| HookError::Gather { source })?;
        let content = Content::of(&file.name, copy)?;
        session.send_content(content, &file.target(&UploadOptions::default()))?;
        session.uploads.pop().ok_or_else(cancelled)
    };
    let ended = send();
    let folder = file.stays_in.as_ref().filter(|_| ended.is_err());
    let stays = folder.map(|folder| file.stay(gathered, folder));
    Settlement { ended, stays }
}

fn sized_upload(
    session: &Session,
    file: &StreamedFile,
    (begun, gathered): (Option<UploadState>, File),
    (chunks, verdict): (Chunks, Receiver<()>),
) -> Result<Uploaded, HookError> {
    let size = chunks.size;
    let mut supply =
        Gathering { session, path: &file.name, chunks, verdict, count: Count::new(size) };
    let content = file.content(&gathered, size)?;
    let options = UploadOptions::default();
    let target = file.target(&options);
    let sent = match begun {
        Some(begun) => {
            Sending::new(session, content, &target).supplied_by(&mut supply).carry_on(begun)?
        }
        None => {
            supply.wait_for(0)?;
            Sending::new(session, content, &target).send()?
        }
    };
    Ok(Uploaded::to_item(sent, &file.name))
}

/// Waits for the chunks, and for the leave to send the last one.
struct Gathering<'a> {
    session: &'a Session,
    path: &'a str,
    chunks: Chunks,
    verdict: Receiver<()>,
    count: Count,
}

impl Gathering<'_> {
    fn next(&self) -> Result<Gathered, HookError> {
        let cancelled = || HookError::Cancelled { path: self.path.to_owned() };
        select! {
            recv(self.chunks.gathered) -> gathered => gathered.map_err(|_| cancelled()),
            recv(self.session.cancelled) -> _ => Err(cancelled()),
        }
    }
}

impl Supply for Gathering<'_> {
    fn wait_for(&mut self, end: u64) -> Result<(), HookError> {
        let path = || self.path.to_owned();
        let size = self.chunks.size;
        while !self.count.may_send(end) {
            match self.next()? {
                Gathered::Chunk(bytes) => self.count.gathered(bytes),
                Gathered::Ended(found) => {
                    // Ending too early is an error only of a container that has succeeded.
                    let wanted = self.verdict.recv();
                    wanted.map_err(|_| HookError::Cancelled { path: path() })?;
                    if !self.count.ended(found) {
                        return Err(HookError::Short { path: path(), size, found });
                    }
                }
                Gathered::More => return Err(HookError::Longer { path: path(), size }),
                Gathered::Failed(source) => return Err(HookError::Gather { source }),
            }
        }
        Ok(())
    }

    fn arrived(&mut self) {
        // A thread that has gathered everything needs no more.
        let _ = self.chunks.free.try_send(());
    }
}

/// Bytes that one call copies at most.
const COPIED_AT_ONCE: usize = 1 << 30;
