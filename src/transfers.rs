//! The pump by itself: transfers without a container, between files, descriptors and servers.
//!
//! A [`Pump`] has a few threads. It moves the bytes of one [`Source`] into one [`Sink`] in each
//! [`Transfer`], and never through more memory than a fixed buffer: where the kernel can, it splices.
//! What a source gave is delivered once and in its order, or the transfer fails. A body that breaks
//! off is asked for again from the byte where it broke.
//!
//! ```no_run
//! use std::fs::File;
//! use gantline::transfers::{Pump, PumpOptions, Sink, Source};
//!
//! let pump = Pump::start(PumpOptions::default())?;
//! let source = Source::url("http://127.0.0.1:8000/data.bin")?.with_header("Girder-Token", "…");
//! let transfer = pump.begin(source, Sink::file(File::create("data.bin")?))?;
//! let moved = transfer.wait()?; // blocks; many transfers may go on at once
//! println!("{} bytes, {}", moved.bytes, moved.carrier.as_str());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};

use bytes::Bytes;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use url::Url;

use crate::http::{Client, ClientOptions, Get, HeaderValue, HttpError, Post};
pub use crate::pump::{
    Carrier, Finish, Options as PumpOptions, PumpError as StartError, TransferError,
};
use crate::pump::{Flow, Notice, Outlet, Piece, Split, TransferReport};

/// A few threads that move the bytes of many transfers. Dropping it cancels those that go on.
#[derive(Debug)]
pub struct Pump {
    pump: crate::pump::Pump,
    client: Client,
}

impl Pump {
    /// Starts the threads. They take no signals.
    ///
    /// # Errors
    /// No descriptors or threads are left.
    pub fn start(options: PumpOptions) -> Result<Self, BeginError> {
        let client = Client::new(ClientOptions::default()).map_err(BeginError::Url)?;
        let pump = crate::pump::Pump::start(options).map_err(BeginError::Pump)?;
        Ok(Self { pump, client })
    }

    /// Begins a transfer.
    ///
    /// # Errors
    /// An end cannot be opened or watched, or the request cannot be sent.
    pub fn begin(&self, source: Source, sink: Sink) -> Result<Transfer, BeginError> {
        let (sender, end) = mpsc::channel();
        let delivered = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&delivered);
        let flow = self.pump.flow(Arc::new(move |notice| {
            // Whoever does not wait any more has dropped the transfer.
            match notice {
                Notice::Advanced { id: MOVED, bytes, .. } => told.store(bytes, Ordering::Relaxed),
                Notice::Failed { error, .. } => drop(sender.send(Told::Failed(error))),
                Notice::Ended { id: MOVED, report } => {
                    told.store(report.bytes, Ordering::Relaxed);
                    drop(sender.send(Told::Ended(report)));
                }
                _ => {}
            }
        }));
        let sink = sink.into_inner(&self.client);
        let begun = match source.0 {
            From::File(file) => flow.add(MOVED, crate::pump::Source::File(file), sink),
            From::Get(get) => {
                let client = self.client.clone();
                flow.add(MOVED, crate::pump::Source::Http { client, get, size: None }, sink)
            }
            From::Pipe(pipe) => flow.add(MOVED, crate::pump::Source::Pipe(pipe), sink),
            From::Descriptor(socket) => {
                does_not_block(&socket).map_err(BeginError::Source)?;
                let split = Box::new(Whole);
                let attach = crate::pump::Attach { socket, read_ahead: Bytes::new(), split };
                let nobody = File::create("/dev/null").map_err(BeginError::Source)?;
                flow.attach(attach, (MOVED, sink), (NOTHING, crate::pump::Sink::File(nobody)))
            }
        };
        begun.map_err(BeginError::Pump)?;
        Ok(Transfer { flow, delivered, end, failed: None })
    }
}

/// The transfer's number in its flow, and that of what a descriptor does not give.
const MOVED: usize = 0;
const NOTHING: usize = 1;

/// Where bytes come from.
pub struct Source(From);

enum From {
    File(File),
    Descriptor(OwnedFd),
    Pipe(OwnedFd),
    Get(Get),
}

impl Source {
    /// A regular file, from its first byte.
    pub fn file(file: File) -> Self {
        Self(From::File(file))
    }

    /// The reading end of a pipe, until all its writers have closed it. Its flags are left alone.
    ///
    /// Its bytes stay in the kernel where the sink allows that. A slow sink holds up who writes it.
    pub fn pipe(reader: impl Into<OwnedFd>) -> Self {
        Self(From::Pipe(reader.into()))
    }

    /// A pipe, a socket or a terminal, until its end. It is set to not block, for all who have it.
    ///
    /// It is read at once: what a slower sink has not taken yet waits in
    /// [`spool_folder`](PumpOptions::spool_folder), in a file without a name.
    pub fn descriptor(descriptor: impl Into<OwnedFd>) -> Self {
        Self(From::Descriptor(descriptor.into()))
    }

    /// What an `http` or `https` URL has. Redirects are followed.
    ///
    /// # Errors
    /// It is no URL.
    pub fn url(url: &str) -> Result<Self, BeginError> {
        Ok(Self(From::Get(Get::new(parsed(url)?))))
    }

    /// Sends a header with the request for a URL; other sources have none. It is not sent after a
    /// redirect to another host, and neither printed nor logged.
    #[must_use]
    pub fn with_header(self, name: &str, value: &str) -> Self {
        match self.0 {
            From::Get(get) => Self(From::Get(get.with_header(name, HeaderValue::new(value)))),
            other => Self(other),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            From::File(file) => f.debug_tuple("Source").field(file).finish(),
            From::Descriptor(descriptor) | From::Pipe(descriptor) => {
                f.debug_tuple("Source").field(descriptor).finish()
            }
            From::Get(get) => f.debug_tuple("Source").field(get).finish(),
        }
    }
}

/// Where bytes go.
pub struct Sink(To);

enum To {
    File(File),
    Descriptor(OwnedFd),
    Post(Post),
}

impl Sink {
    /// A file that nobody else writes, from its offset on.
    pub fn file(file: File) -> Self {
        Self(To::File(file))
    }

    /// A pipe, a socket, a terminal, or a file that others write too. Its flags are left alone.
    pub fn descriptor(descriptor: impl Into<OwnedFd>) -> Self {
        Self(To::Descriptor(descriptor.into()))
    }

    /// The body of a POST to an `http` or `https` URL, in chunks. Redirects are not followed.
    ///
    /// # Errors
    /// It is no URL.
    pub fn post(url: &str) -> Result<Self, BeginError> {
        Ok(Self(To::Post(Post::new(parsed(url)?))))
    }

    /// Sends a header with a POST; other sinks have none. It is neither printed nor logged.
    #[must_use]
    pub fn with_header(self, name: &str, value: &str) -> Self {
        match self.0 {
            To::Post(post) => Self(To::Post(post.with_header(name, HeaderValue::new(value)))),
            other => Self(other),
        }
    }

    fn into_inner(self, client: &Client) -> crate::pump::Sink {
        match self.0 {
            To::File(file) => crate::pump::Sink::File(file),
            To::Descriptor(descriptor) => crate::pump::Sink::Inherited(descriptor),
            To::Post(post) => crate::pump::Sink::Post { client: client.clone(), post },
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            To::File(file) => f.debug_tuple("Sink").field(file).finish(),
            To::Descriptor(descriptor) => f.debug_tuple("Sink").field(descriptor).finish(),
            To::Post(post) => f.debug_tuple("Sink").field(post).finish(),
        }
    }
}

/// A transfer that goes on. Dropping it cancels it.
#[derive(Debug)]
pub struct Transfer {
    flow: Flow,
    delivered: Arc<AtomicU64>,
    end: Receiver<Told>,
    failed: Option<TransferError>,
}

#[derive(Debug)]
enum Told {
    Failed(TransferError),
    Ended(TransferReport),
}

impl Transfer {
    /// Bytes that the sink has taken so far, as of the last tenth of a second.
    pub fn bytes(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Ends it at once. [`wait`](Self::wait) says what had been moved.
    pub fn cancel(&self) {
        self.flow.cancel();
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`TransferError`]: not every byte has arrived.
    pub fn wait(mut self) -> Result<Moved, TransferError> {
        loop {
            let told = self.end.recv();
            let told = told.map_err(|_| TransferError::Bug("a transfer has no end"))?;
            if let Some(end) = self.hears(told) {
                return end;
            }
        }
    }

    /// Gives the end, once, if the transfer is over. Does not block.
    pub fn try_wait(&mut self) -> Option<Result<Moved, TransferError>> {
        loop {
            match self.end.try_recv() {
                Ok(told) => match self.hears(told) {
                    None => {}
                    end => return end,
                },
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
            }
        }
    }

    fn hears(&mut self, told: Told) -> Option<Result<Moved, TransferError>> {
        match told {
            Told::Failed(error) => {
                self.failed.get_or_insert(error);
                // It may keep its ends open until it is told to stop.
                self.flow.cancel();
                None
            }
            Told::Ended(report) => Some(match self.failed.take() {
                Some(error) => Err(error),
                None => Ok(Moved {
                    bytes: report.bytes,
                    seconds: report.seconds,
                    carrier: report.carrier,
                    resumed: report.resumed,
                    finish: report.finish,
                }),
            }),
        }
    }
}

/// What came of a transfer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Moved {
    /// Bytes that the sink took.
    pub bytes: u64,
    /// From the beginning to the last byte.
    pub seconds: f64,
    /// How the bytes travelled.
    pub carrier: Carrier,
    /// How often the source broke off and went on.
    pub resumed: u32,
    /// How it ended.
    pub finish: Finish,
}

/// Why a pump, or a transfer, could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// A URL cannot be used.
    #[error("cannot use the URL")]
    Url(#[source] HttpError),
    /// The source cannot be read as it is.
    #[error("cannot prepare the source")]
    Source(#[source] io::Error),
    /// The pump cannot take it.
    #[error("cannot begin")]
    Pump(#[source] StartError),
}

/// Bytes that are nobody's but the sink's.
struct Whole;

impl Split for Whole {
    fn next<'a>(&mut self, input: &'a [u8]) -> Result<Piece<'a>, Box<dyn Error + Send + Sync>> {
        Ok(Piece { outlet: Some(Outlet::StdOut), payload: input, consumed: input.len() })
    }

    fn end(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

fn does_not_block(descriptor: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

fn parsed(url: &str) -> Result<Url, BeginError> {
    Url::parse(url).map_err(|_| {
        // The text may hold secrets.
        BeginError::Url(HttpError::Url { place: "…".to_owned(), reason: "it is none" })
    })
}
