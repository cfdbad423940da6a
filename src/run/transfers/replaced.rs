//! A program that replaced its output FIFO by a file: what is in the file is its output.
//!
//! Honest programs do this: they remove what has the name of their result, or the whole folder, or write beside it and
//! rename. The container has exited, and nobody else writes: the file's bytes are put into our FIFO,
//! behind those that are in it, as if the program had written them there.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::run::blocking::blocking;
use crate::run::cancel::{Cancelled, Level};
use crate::run::container::open_up;
use crate::run::error::Cause;
use crate::run::live::Live;
use crate::spec;
use crate::sys::pipe::PIPE_BYTES;
use crate::sys::splice::{is_to_copy, splice_bytes};
use crate::sys::uninterrupted;
use crate::volume::{HostFifo, Written};

/// Delivers the files that have taken the place of output FIFOs, with a warning each. Anything else
/// there fails the run. Whether the run is cancelled now.
///
/// The pump still waits for writers of the FIFOs, so tell it of the exit afterwards.
pub(crate) async fn deliver_replaced(live: &mut Live, is_cancelled: bool) -> bool {
    let mut deliveries = Vec::new();
    for (id, transfer) in live.transfers.ids().into_iter().zip(live.plan.transfers.clone()) {
        let spec::Source::Fifo(fifo) = &transfer.source else { continue };
        let label = live.transfers.label(id);
        match find_file(live, fifo.at, &label, Level::beyond(is_cancelled)).await {
            Ok(None) => {}
            Ok(Some(file)) => deliveries.push((label, file)),
            Err(cause) => {
                live.keeps_replaced(fifo.at);
                live.transfer_failed(cause);
            }
        }
    }
    let cancellation = live.cancellation.clone();
    for (label, (file, writer)) in deliveries {
        live.warns(format!(
            "{label}: the program replaced its output FIFO by a file, and what is in the file is \
             delivered"
        ));
        let named = label.clone();
        let work =
            blocking(move || deliver(&file, &writer).map_err(|undelivered| undelivered.of(named)));
        match cancellation.unless(Level::beyond(is_cancelled), work).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => live.transfer_failed(cause),
            // Who is left in a write is let go when the transfers are cancelled.
            Err(Cancelled) => return true,
        }
    }
    is_cancelled
}

/// A file that has taken the place of a FIFO, and the FIFO's writing end. None also if the FIFO's sink takes no more.
async fn find_file(
    live: &Live,
    at: usize,
    label: &str,
    level: Level,
) -> Result<Option<(File, OwnedFd)>, Cause> {
    let Some(fifo) = live.made.fifos.get(at) else { return Ok(None) };
    let mut found = open_replacement(fifo, label);
    if found.as_ref().is_err_and(is_refused)
        && let Some(root) = live.own_folder_of(at).filter(|_| open_up::is_needed())
    {
        let opening = Box::pin(open_up::open_up(live, root));
        let opened = live.cancellation.unless(level, opening).await;
        tracing::debug!(?opened, "opened up what took the place of an output");
        found = open_replacement(fifo, label);
    }
    let Some(file) = found? else { return Ok(None) };
    match fifo.share().open_writer() {
        Ok(writer) => Ok(Some((file, writer))),
        Err(error) => {
            tracing::debug!(%label, %error, "nobody takes a replaced output");
            Ok(None)
        }
    }
}

fn open_replacement(fifo: &HostFifo, label: &str) -> Result<Option<File>, Cause> {
    let replaced = |what| Err(Cause::Replaced { label: label.to_owned(), what });
    let unknown = |source| Cause::Replacement { label: label.to_owned(), source };
    match fifo.replacement().map_err(unknown)? {
        None => Ok(None),
        Some(Written::File(file)) => {
            let failed = |source| Cause::ReplacedFile { label: label.to_owned(), source };
            file.open().map(Some).map_err(failed)
        }
        Some(Written::Folder(_)) => replaced("a folder"),
        Some(Written::Other(what)) => replaced(what),
    }
}

fn is_refused(cause: &Cause) -> bool {
    match cause {
        Cause::ReplacedFile { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
        Cause::Replacement { source, .. } => source.is_refused(),
        _ => false,
    }
}

/// Puts a file into a FIFO that has a reader. That the reader leaves is for the pump to tell.
fn deliver(file: &File, writer: &OwnedFd) -> Result<(), Undelivered> {
    loop {
        match splice_bytes(file, writer, PIPE_BYTES) {
            Ok(0) | Err(Errno::EPIPE) => return Ok(()),
            Ok(_) => {}
            Err(Errno::EAGAIN) => wait_for_room(writer)?,
            Err(errno) if is_to_copy(errno) => return copy(file, writer),
            Err(errno) => return Err(Undelivered::Unread(errno.into())),
        }
    }
}

/// The same where the kernel does not splice them.
fn copy(file: &File, writer: &OwnedFd) -> Result<(), Undelivered> {
    let mut buffer = vec![0; COPIED];
    loop {
        let read = uninterrupted(|| nix::unistd::read(file, &mut buffer));
        let read = read.map_err(|errno| Undelivered::Unread(errno.into()))?;
        let mut rest = buffer.get(..read).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            match uninterrupted(|| nix::unistd::write(writer, rest)) {
                Err(Errno::EPIPE) => return Ok(()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::EAGAIN) => wait_for_room(writer)?,
                Err(errno) => return Err(Undelivered::Unwritten(errno.into())),
            }
        }
    }
}

fn wait_for_room(writer: &OwnedFd) -> Result<(), Undelivered> {
    let mut room = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
    match uninterrupted(|| poll(&mut room, PollTimeout::NONE)) {
        Ok(_) => Ok(()),
        Err(errno) => Err(Undelivered::Unwritten(errno.into())),
    }
}

/// Why the file's bytes are not in the FIFO.
#[derive(Debug)]
enum Undelivered {
    Unread(io::Error),
    Unwritten(io::Error),
}

impl Undelivered {
    fn of(self, label: String) -> Cause {
        match self {
            Self::Unread(source) => Cause::ReplacedFile { label, source },
            Self::Unwritten(source) => Cause::Undelivered { label, source },
        }
    }
}

/// Bytes that are copied at once.
const COPIED: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::thread;

    use super::*;
    use crate::sys::pipe::pipe;

    #[test]
    fn a_file_that_the_kernel_does_not_splice_is_copied() {
        // splice(2) of it is EINVAL.
        let path = "/proc/self/auxv";
        let (reader, writer) = pipe().unwrap();
        let file = File::open(path).unwrap();
        assert_eq!(splice_bytes(&file, &writer, 1), Err(Errno::EINVAL));
        deliver(&file, &writer).unwrap();
        drop(writer);
        let mut came = Vec::new();
        File::from(reader).read_to_end(&mut came).unwrap();
        assert!(!came.is_empty() && came == std::fs::read(path).unwrap());
    }

    #[test]
    fn more_than_the_pipe_holds_is_copied_as_its_reader_takes_it() {
        let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        let (reader, writer) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, false).unwrap();
        let reading = thread::spawn(move || {
            let mut came = Vec::new();
            File::from(reader).read_to_end(&mut came).unwrap();
            came
        });
        copy(&file.reopen().unwrap(), &writer).unwrap();
        drop(writer);
        assert!(reading.join().unwrap() == bytes);
        // Who leaves is no error.
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        copy(&file.reopen().unwrap(), &writer).unwrap();
    }

    #[test]
    fn an_error_names_the_end_that_it_is_of() {
        let (reader, writer) = pipe().unwrap();
        let unreadable = copy(&File::open("/").unwrap(), &writer).unwrap_err();
        assert!(matches!(unreadable, Undelivered::Unread(_)), "{unreadable:?}");
        let unwritable = copy(&File::open("/proc/self/auxv").unwrap(), &reader).unwrap_err();
        assert!(matches!(unwritable, Undelivered::Unwritten(_)), "{unwritable:?}");
    }
}
