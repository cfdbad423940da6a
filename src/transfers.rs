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

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};

use url::Url;

use crate::http::{Client, ClientOptions, Get, HeaderValue, HttpError, Post};
pub use crate::pump::{
    Carrier, Finish, Options as PumpOptions, PumpError as StartError, TransferError,
};
use crate::pump::{Flow, Notice, TransferReport};

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
            Origin::File(file) => flow.add(MOVED, crate::pump::Source::File(file), sink),
            Origin::Get(get) => {
                let client = self.client.clone();
                flow.add(
                    MOVED,
                    crate::pump::Source::Http { client, get, size: None, sum: None },
                    sink,
                )
            }
            Origin::Pipe(pipe) => flow.add(MOVED, crate::pump::Source::Pipe(pipe), sink),
            Origin::Descriptor(descriptor) => {
                flow.add(MOVED, crate::pump::Source::Descriptor(descriptor), sink)
            }
        };
        begun.map_err(BeginError::Pump)?;
        Ok(Transfer { flow, delivered, end, failed: None })
    }
}

/// The transfer's number in its flow, in which it is alone.
const MOVED: usize = 0;

/// Where bytes come from.
pub struct Source(Origin);

enum Origin {
    File(File),
    Descriptor(OwnedFd),
    Pipe(OwnedFd),
    Get(Get),
}

impl Source {
    /// A regular file, from its offset on.
    pub fn file(file: File) -> Self {
        Self(Origin::File(file))
    }

    /// The reading end of a pipe, until all its writers have closed it. Its flags are left alone.
    ///
    /// Its bytes stay in the kernel where the sink allows that. A slow sink holds up who writes it.
    pub fn pipe(reader: impl Into<OwnedFd>) -> Self {
        Self(Origin::Pipe(reader.into()))
    }

    /// What the caller has open, until its end: a pipe, a socket, a regular file from its offset on, a
    /// terminal or another device.
    ///
    /// Its bytes stay in the kernel where the source and the sink allow that. A slow sink holds up who
    /// writes it. Others may have it open, too: the flags of a pipe or a terminal are left alone where
    /// the system allows that; a socket does not block any more, whoever has it.
    pub fn descriptor(descriptor: impl Into<OwnedFd>) -> Self {
        Self(Origin::Descriptor(descriptor.into()))
    }

    /// What an `http` or `https` URL has. Redirects are followed.
    ///
    /// # Errors
    /// It is no URL.
    pub fn url(url: &str) -> Result<Self, BeginError> {
        Ok(Self(Origin::Get(Get::new(parsed(url)?))))
    }

    /// Sends a header with the request for a URL; other sources have none. It is not sent after a
    /// redirect to another host, and neither printed nor logged.
    #[must_use]
    pub fn with_header(self, name: &str, value: &str) -> Self {
        match self.0 {
            Origin::Get(get) => Self(Origin::Get(get.with_header(name, HeaderValue::new(value)))),
            other => Self(other),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Origin::File(file) => f.debug_tuple("Source").field(file).finish(),
            Origin::Descriptor(descriptor) | Origin::Pipe(descriptor) => {
                f.debug_tuple("Source").field(descriptor).finish()
            }
            Origin::Get(get) => f.debug_tuple("Source").field(get).finish(),
        }
    }
}

/// Where bytes go.
pub struct Sink(Destination);

enum Destination {
    File(File),
    Descriptor(OwnedFd),
    Post(Post),
}

impl Sink {
    /// A file that nobody else writes, from its offset on.
    pub fn file(file: File) -> Self {
        Self(Destination::File(file))
    }

    /// A pipe, a socket, a terminal, or a file that others write too. Its flags are left alone.
    pub fn descriptor(descriptor: impl Into<OwnedFd>) -> Self {
        Self(Destination::Descriptor(descriptor.into()))
    }

    /// The body of a POST to an `http` or `https` URL, in chunks. Redirects are not followed.
    ///
    /// # Errors
    /// It is no URL.
    pub fn post(url: &str) -> Result<Self, BeginError> {
        Ok(Self(Destination::Post(Post::new(parsed(url)?))))
    }

    /// Sends a header with a POST; other sinks have none. It is neither printed nor logged.
    #[must_use]
    pub fn with_header(self, name: &str, value: &str) -> Self {
        match self.0 {
            Destination::Post(post) => {
                Self(Destination::Post(post.with_header(name, HeaderValue::new(value))))
            }
            other => Self(other),
        }
    }

    fn into_inner(self, client: &Client) -> crate::pump::Sink {
        match self.0 {
            Destination::File(file) => crate::pump::Sink::File(file),
            Destination::Descriptor(descriptor) => crate::pump::Sink::Inherited(descriptor),
            Destination::Post(post) => crate::pump::Sink::Post { client: client.clone(), post },
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Destination::File(file) => f.debug_tuple("Sink").field(file).finish(),
            Destination::Descriptor(descriptor) => f.debug_tuple("Sink").field(descriptor).finish(),
            Destination::Post(post) => f.debug_tuple("Sink").field(post).finish(),
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
    /// The pump cannot take it.
    #[error("cannot begin")]
    Pump(#[source] StartError),
}

fn parsed(url: &str) -> Result<Url, BeginError> {
    Url::parse(url).map_err(|_| {
        // The text may hold secrets.
        BeginError::Url(HttpError::Url { place: "…".to_owned(), reason: "it is none" })
    })
}
