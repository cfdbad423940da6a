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
use crate::run::error::Cause;
use crate::run::live::Live;
use crate::spec;
use crate::sys::pipe::PIPE_BYTES;
use crate::sys::splice::splice_bytes;
use crate::volume::Written;

/// Delivers the files that have taken the place of output FIFOs, with a warning each. Anything else
/// there fails the run. Whether the run is cancelled now.
///
/// The pump still waits for writers of the FIFOs, so tell it of the exit afterwards.
pub(crate) async fn deliver_replaced(live: &mut Live, is_cancelled: bool) -> bool {
    let mut deliveries = Vec::new();
    for (id, transfer) in live.transfers.ids().into_iter().zip(live.plan.transfers.clone()) {
        let spec::Source::Fifo(fifo) = &transfer.source else { continue };
        let Some(fifo) = live.made.fifos.get(fifo.at) else { continue };
        let label = live.transfers.label(id);
        let found = match fifo.replacement() {
            Ok(None) => continue,
            Ok(Some(Written::File(file))) => (file.open(), fifo.share()),
            Ok(Some(Written::Folder(_))) => {
                live.transfer_failed(Cause::Replaced { label, what: "a folder" });
                continue;
            }
            Ok(Some(Written::Other(what))) => {
                live.transfer_failed(Cause::Replaced { label, what });
                continue;
            }
            Err(error) => {
                live.transfer_failed(Cause::Volume(error));
                continue;
            }
        };
        match found {
            (Ok(file), ours) => match ours.open_writer() {
                Ok(writer) => deliveries.push((label, file, writer)),
                // Its sink takes no more.
                Err(error) => tracing::debug!(%label, %error, "nobody takes a replaced output"),
            },
            (Err(source), _) => live.transfer_failed(Cause::ReplacedFile { label, source }),
        }
    }
    let cancellation = live.cancellation.clone();
    for (label, file, writer) in deliveries {
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
