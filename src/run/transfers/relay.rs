//! A writer of the caller's as the host's standard output or error.
//!
//! The pump writes into a pipe, and a thread writes what comes out of it: a writer that blocks holds up
//! nobody else.

use std::io::{self, PipeReader, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::thread;

use tokio::sync::oneshot;

use crate::span::carried;

/// The thread of one writer.
#[derive(Debug)]
pub(crate) struct Relay(oneshot::Receiver<io::Result<()>>);

impl Relay {
    /// Starts the thread. What is written into the descriptor goes to `writer`, until every copy of the
    /// descriptor is closed; then `writer` is flushed and dropped.
    pub(crate) fn start(writer: Box<dyn Write + Send>) -> io::Result<(Self, OwnedFd)> {
        let (reader, ours) = pipe()?;
        let (sender, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("gantline-relay".to_owned());
        thread.spawn(carried(move || {
            // A run that is over does not ask.
            let _ = sender.send(relay(reader, writer));
        }))?;
        Ok((Self(ended), ours.into()))
    }

    /// Waits until the writer has everything, or has failed. May be dropped and asked again.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        let panicked = || io::Error::other("the writer panicked");
        (&mut self.0).await.unwrap_or_else(|_| Err(panicked()))
    }
}

/// The reader goes with it: who writes to a writer that has failed is refused, as by a closed pipe.
fn relay(mut reader: PipeReader, mut writer: Box<dyn Write + Send>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return writer.flush(),
            Ok(read) => writer.write_all(buffer.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A pipe's size, unless it is asked for more.
const BUFFER: usize = 64 << 10;
