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
use crate::sys::splice::splice_bytes;
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
        let work = blocking(move || {
            copy(&file, writer).map_err(|source| Cause::ReplacedFile { label: named, source })
        });
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
fn copy(file: &File, writer: OwnedFd) -> io::Result<()> {
    loop {
        match splice_bytes(file, &writer, PIPE_BYTES) {
            Ok(0) | Err(Errno::EPIPE) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut room = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
                match poll(&mut room, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}
