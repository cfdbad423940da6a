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
//! has succeeded. Dropped before, nothing stays in Girder.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::send::{CHUNK, Content, Sending, Supply, Target};
use super::{HookError, Session, Uploaded};
use crate::event::Ledger;
use crate::spec::UploadOptions;
use crate::store::{Parent, Store, UploadState};

/// A file that is to be.
#[derive(Debug, Clone)]
pub(crate) struct StreamedFile {
    pub(crate) item_id: String,
    pub(crate) name: String,
    /// Bytes, if that is known.
    pub(crate) size: Option<u64>,
}

/// Where its bytes are to be written. Closing it is their end.
#[derive(Debug)]
pub(crate) enum Inlet {
    Pipe(OwnedFd),
    File(File),
}

/// Told once how it ended, in the upload's thread. Of one that was dropped: that it was cancelled.
pub(crate) type Settled = Box<dyn FnOnce(Result<Uploaded, HookError>) + Send>;

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
        (client, ledger): (Store, Ledger),
        settled: Settled,
    ) -> Result<(Self, Inlet), HookError> {
        let (keep, verdict) = bounded(1);
        let (stop, cancelled) = bounded(0);
        let session = Session { client, ledger, cancelled, uploads: vec![], warnings: vec![] };
        let unusable = |source| HookError::Gather { source };
        session.look_for(&file)?;
        let gathered = tempfile::tempfile_in(folder).map_err(unusable)?;
        let shared = gathered.try_clone().map_err(unusable)?;
        let (work, inlet): (Box<dyn FnOnce() -> _ + Send>, Inlet) = match file.size {
            None => {
                let work = move || unsized_upload(session, &file, shared, &verdict);
                (Box::new(work), Inlet::File(gathered))
            }
            Some(size) => {
                let (reader, writer) = io::pipe().map_err(unusable)?;
                let chunks = Chunks::gather(reader, gathered, size).map_err(unusable)?;
                let begun = session.begin_stream(&file, size, &shared)?;
                let work =
                    move || sized_upload(&session, &file, (begun, shared), (chunks, verdict));
                (Box::new(work), Inlet::Pipe(writer.into()))
            }
        };
        let spawned = thread::Builder::new().name("gantline-upload".into());
        spawned.spawn(move || settled(work())).map_err(unusable)?;
        Ok((Self { keep, _stop: stop }, inlet))
    }

    /// Everything was written, and is to stay. If the size was not known, the upload begins now.
    pub(crate) fn keep(&self) {
        // One that has failed has said so.
        let _ = self.keep.try_send(());
    }
}

impl Session {
    /// Finds out whether there is such an item, and whether we may see it.
    fn look_for(&self, file: &StreamedFile) -> Result<(), HookError> {
        self.client.item(&file.item_id).map(drop).map_err(|error| HookError::Target {
            target: format!("item {}", file.item_id),
            source: Box::new(error),
        })
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

    fn content(&self, gathered: &File, size: u64) -> Result<Content, HookError> {
        let file = gathered.try_clone().map_err(|source| HookError::Gather { source })?;
        Ok(Content::ring(&self.name, file, size, RING))
    }
}

fn unsized_upload(
    mut session: Session,
    file: &StreamedFile,
    gathered: File,
    verdict: &Receiver<()>,
) -> Result<Uploaded, HookError> {
    let name = &file.name;
    let cancelled = || HookError::Cancelled { path: name.clone() };
    verdict.recv().map_err(|_| cancelled())?;
    let content = Content::of(name, gathered)?;
    session.send_content(content, &file.target(&UploadOptions::default()))?;
    session.uploads.pop().ok_or_else(cancelled)
}

fn sized_upload(
    session: &Session,
    file: &StreamedFile,
    (begun, gathered): (Option<UploadState>, File),
    (chunks, verdict): (Chunks, Receiver<()>),
) -> Result<Uploaded, HookError> {
    let size = chunks.size;
    let mut supply =
        Gathering { session, path: &file.name, chunks, verdict, there: 0, is_kept: false };
    let content = file.content(&gathered, size)?;
    let options = UploadOptions::default();
    let target = file.target(&options);
    let (record, bytes) = match begun {
        Some(begun) => {
            Sending::new(session, content, &target).supplied_by(&mut supply).carry_on(begun)?
        }
        None => {
            supply.wait_for(0)?;
            Sending::new(session, content, &target).send()?
        }
    };
    Ok(Uploaded::to_item(record, &file.name, bytes))
}

/// The chunks of a pipe, as they become whole.
#[derive(Debug)]
struct Chunks {
    size: u64,
    gathered: Receiver<Gathered>,
    /// Gives a place in the file back.
    free: Sender<()>,
}

/// What the gathering thread says.
#[derive(Debug)]
enum Gathered {
    /// So many bytes more make a chunk, or all that is left of one.
    Chunk(u64),
    /// The pipe has ended, after so many bytes.
    Ended(u64),
    /// The pipe has more than it was to have.
    More,
    Failed(io::Error),
}

impl Chunks {
    /// Gathers the chunks of a pipe in a file, in a thread of its own.
    fn gather(mut pipe: PipeReader, file: File, size: u64) -> io::Result<Self> {
        let (teller, gathered) = bounded(PLACES + 1);
        let (free, places) = bounded(PLACES);
        for _ in 0..PLACES {
            let _ = free.try_send(());
        }
        let work = move || {
            let last = match gather(&mut pipe, &file, size, (&teller, &places)) {
                Ok(Some(last)) => last,
                // Nobody wants to know any more: whoever writes is refused.
                Ok(None) => return,
                Err(error) => Gathered::Failed(error),
            };
            let _ = teller.send(last);
        };
        thread::Builder::new().name("gantline-gather".into()).spawn(work)?;
        Ok(Self { size, gathered, free })
    }
}

fn gather(
    pipe: &mut PipeReader,
    file: &File,
    size: u64,
    (teller, places): (&Sender<Gathered>, &Receiver<()>),
) -> io::Result<Option<Gathered>> {
    let mut buffer = vec![0; BUFFER];
    let mut at = 0;
    while at < size {
        if places.recv().is_err() {
            return Ok(None);
        }
        let begin = at;
        let end = (begin + CHUNK).min(size);
        while at < end {
            let room = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
            let bytes = read(pipe, buffer.get_mut(..room).unwrap_or_default())?;
            if bytes.is_empty() {
                return Ok(Some(Gathered::Ended(at)));
            }
            file.write_all_at(bytes, at % RING)?;
            at += bytes.len() as u64;
        }
        if teller.send(Gathered::Chunk(at - begin)).is_err() {
            return Ok(None);
        }
    }
    let one_more = read(pipe, buffer.get_mut(..1).unwrap_or_default())?;
    Ok(Some(if one_more.is_empty() { Gathered::Ended(at) } else { Gathered::More }))
}

fn read<'a>(pipe: &mut PipeReader, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        match pipe.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(bytes) => return Ok(buffer.get(..bytes).unwrap_or_default()),
        }
    }
}

/// Waits for the chunks, and for the leave to send the last one.
struct Gathering<'a> {
    session: &'a Session,
    path: &'a str,
    chunks: Chunks,
    verdict: Receiver<()>,
    /// Bytes that were gathered so far.
    there: u64,
    is_kept: bool,
}

impl Gathering<'_> {
    fn next(&self) -> Result<Gathered, HookError> {
        let cancelled = || HookError::Cancelled { path: self.path.to_owned() };
        select! {
            recv(self.chunks.gathered) -> gathered => gathered.map_err(|_| cancelled()),
            recv(self.session.cancelled) -> _ => Err(cancelled()),
        }
    }

    /// Nothing more comes: the last chunk is sent if that is all, and the run wants it.
    fn ended(&mut self, found: u64) -> Result<(), HookError> {
        let (path, size) = (self.path.to_owned(), self.chunks.size);
        // Ending too early is an error only of a container that has succeeded.
        if self.verdict.recv().is_err() {
            return Err(HookError::Cancelled { path });
        }
        if found < size {
            return Err(HookError::Short { path, size, found });
        }
        self.is_kept = true;
        Ok(())
    }
}

impl Supply for Gathering<'_> {
    fn wait_for(&mut self, end: u64) -> Result<(), HookError> {
        let size = self.chunks.size;
        while self.there < end || (end == size && !self.is_kept) {
            match self.next()? {
                Gathered::Chunk(bytes) => self.there += bytes,
                Gathered::Ended(found) => self.ended(found)?,
                Gathered::More => {
                    return Err(HookError::Longer { path: self.path.to_owned(), size });
                }
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

/// Chunks that the file has places for: one is sent while the next is gathered.
const PLACES: usize = 2;

/// Bytes of the file; what comes later takes the place of what was sent.
const RING: u64 = CHUNK * PLACES as u64;

/// What is read out of the pipe at once.
const BUFFER: usize = 256 << 10;
