//! What is moved: FIFOs, and the sources and sinks that a [`Connect`] joins.
//!
//! An end is named once, from the document to where a run opens it. What changes on the way is how a
//! FIFO is named: the `F` of [`Source`] and [`Sink`]. In a job it is the [`Fifo`] that the document
//! describes, in a plan the place among those that are made. An end is displayed as the report calls
//! it, without secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::secret::{HttpUrl, Secret};
use super::volume::VolumeRef;

/// One source joined to one sink. At least one end is the container's: a FIFO, or its standard
/// output or error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connect<F = Fifo> {
    /// Where the bytes come from.
    pub source: Source<F>,
    /// Where they go.
    pub sink: Sink<F>,
    /// Whether a stream of the container's comes by a FIFO, past the engine.
    pub(crate) is_fast: bool,
}

impl<F> Connect<F> {
    pub(crate) fn new(source: Source<F>, sink: Sink<F>) -> Self {
        Self { source, sink, is_fast: false }
    }

    /// The FIFO whose path this is as an argument: the sink's, or else the source's.
    pub fn fifo(&self) -> Option<&F> {
        match (&self.source, &self.sink) {
            (_, Sink::Fifo(fifo)) | (Source::Fifo(fifo), _) => Some(fifo),
            _ => None,
        }
    }

    /// The same with its FIFOs named in another way, the source's first.
    ///
    /// # Errors
    /// The first of `name`.
    pub fn try_map_fifo<G, E>(
        &self,
        mut name: impl FnMut(&F) -> Result<G, E>,
    ) -> Result<Connect<G>, E> {
        let source = self.source.try_map_fifo(&mut name)?;
        let sink = self.sink.try_map_fifo(name)?;
        Ok(Connect { source, sink, is_fast: self.is_fast })
    }
}

impl<F: fmt::Display> fmt::Display for Connect<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.source, self.sink)
    }
}

/// An address, and what is sent with a request to it.
type Request<'a> = (&'a mut HttpUrl, &'a mut BTreeMap<String, Secret>);

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source<F = Fifo> {
    /// A Girder file, by its id (`GirderFileIdToStream`).
    GirderFile {
        /// The file's id: letters, digits, `-` and `_`, so that it is safe in a path.
        id: String,
    },
    /// An HTTP GET (`UrlToStream`).
    Url {
        /// `http://` or `https://`.
        url: HttpUrl,
        /// Sent with the request; not to another host after a redirect.
        headers: BTreeMap<String, Secret>,
    },
    /// A file of the host (`HostFileToStream`).
    HostFile {
        /// Its path; a relative one starts at the working directory of the process.
        path: PathBuf,
    },
    /// A FIFO that the container writes (`NamedOutputPipe`).
    Fifo(F),
    /// The container's standard output (`ContainerStdOut`).
    ContainerStdOut,
    /// The container's standard error (`ContainerStdErr`).
    ContainerStdErr,
}

impl<F> Source<F> {
    /// The same with its FIFO named in another way.
    ///
    /// # Errors
    /// That of `name`.
    pub fn try_map_fifo<G, E>(
        &self,
        name: impl FnOnce(&F) -> Result<G, E>,
    ) -> Result<Source<G>, E> {
        Ok(match self {
            Self::GirderFile { id } => Source::GirderFile { id: id.clone() },
            Self::Url { url, headers } => {
                Source::Url { url: url.clone(), headers: headers.clone() }
            }
            Self::HostFile { path } => Source::HostFile { path: path.clone() },
            Self::Fifo(fifo) => Source::Fifo(name(fifo)?),
            Self::ContainerStdOut => Source::ContainerStdOut,
            Self::ContainerStdErr => Source::ContainerStdErr,
        })
    }

    /// The request that it makes, where secrets may be.
    pub(super) fn request_mut(&mut self) -> Option<Request<'_>> {
        match self {
            Self::Url { url, headers } => Some((url, headers)),
            Self::GirderFile { .. }
            | Self::HostFile { .. }
            | Self::Fifo(_)
            | Self::ContainerStdOut
            | Self::ContainerStdErr => None,
        }
    }

    /// Whether it is a stream of the container's.
    pub(crate) fn is_container_stream(&self) -> bool {
        matches!(self, Self::ContainerStdOut | Self::ContainerStdErr)
    }
}

impl<F: fmt::Display> fmt::Display for Source<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GirderFile { id } => write!(f, "girder:{id}"),
            Self::Url { url, .. } => write!(f, "url:{}", url.label()),
            Self::HostFile { path } => write!(f, "file:{}", path.display()),
            Self::Fifo(fifo) => write!(f, "fifo:{fifo}"),
            Self::ContainerStdOut => f.write_str("container:stdout"),
            Self::ContainerStdErr => f.write_str("container:stderr"),
        }
    }
}

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sink<F = Fifo> {
    /// A FIFO that the container reads (`NamedInputPipe`).
    Fifo(F),
    /// Our own standard output (`HostStdOut`).
    HostStdOut,
    /// Our own standard error (`HostStdErr`).
    HostStdErr,
    /// A file of the host, which appears under its name when it is whole (`HostFile`).
    HostFile {
        /// Its path; a relative one starts at the working directory of the process.
        path: PathBuf,
    },
    /// An HTTP POST whose body is sent in chunks as it comes (`ChunkedTransferEncodingStream`).
    ChunkedPost {
        /// `http://` or `https://`.
        url: HttpUrl,
        /// Sent with the request.
        headers: BTreeMap<String, Secret>,
    },
    /// A new file in an item of Girder (`GirderStreamToItem`), if the container succeeds.
    GirderItem {
        /// The item's id: letters, digits, `-` and `_`.
        item_id: String,
        /// The file's name.
        name: String,
        /// Its size in bytes, if it is known beforehand; another one fails the run.
        size: Option<u64>,
    },
    /// Whoever wants to know how far the container is: the events, and the job in Girder
    /// (`ProgressPipe`).
    Progress,
}

impl<F> Sink<F> {
    /// The same with its FIFO named in another way.
    ///
    /// # Errors
    /// That of `name`.
    pub fn try_map_fifo<G, E>(&self, name: impl FnOnce(&F) -> Result<G, E>) -> Result<Sink<G>, E> {
        Ok(match self {
            Self::Fifo(fifo) => Sink::Fifo(name(fifo)?),
            Self::HostStdOut => Sink::HostStdOut,
            Self::HostStdErr => Sink::HostStdErr,
            Self::HostFile { path } => Sink::HostFile { path: path.clone() },
            Self::ChunkedPost { url, headers } => {
                Sink::ChunkedPost { url: url.clone(), headers: headers.clone() }
            }
            Self::GirderItem { item_id, name, size } => {
                Sink::GirderItem { item_id: item_id.clone(), name: name.clone(), size: *size }
            }
            Self::Progress => Sink::Progress,
        })
    }

    /// The request that it makes, where secrets may be.
    pub(super) fn request_mut(&mut self) -> Option<Request<'_>> {
        match self {
            Self::ChunkedPost { url, headers } => Some((url, headers)),
            Self::Fifo(_)
            | Self::HostStdOut
            | Self::HostStdErr
            | Self::HostFile { .. }
            | Self::GirderItem { .. }
            | Self::Progress => None,
        }
    }

    /// Whether it is our own standard output or error.
    pub(crate) fn is_our_stream(&self) -> bool {
        matches!(self, Self::HostStdOut | Self::HostStdErr)
    }
}

impl<F: fmt::Display> fmt::Display for Sink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo(fifo) => write!(f, "fifo:{fifo}"),
            Self::HostStdOut => f.write_str("host:stdout"),
            Self::HostStdErr => f.write_str("host:stderr"),
            Self::HostFile { path } => write!(f, "file:{}", path.display()),
            Self::ChunkedPost { url, .. } => write!(f, "post:{}", url.label()),
            Self::GirderItem { item_id, name, .. } => write!(f, "girder:item/{item_id}/{name}"),
            Self::Progress => f.write_str("progress"),
        }
    }
}

/// A named pipe between the host and the container. Displayed as its name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fifo {
    /// Its file name: one or more ordinary components, relative, without `.` and `..`.
    pub name: String,
    /// Where it is made.
    pub place: FifoPlace,
    /// Which way the bytes go.
    pub direction: Direction,
}

impl Fifo {
    /// The name of a `ProgressPipe` that does not say another.
    pub const PROGRESS: &str = ".girder_progress";
}

impl fmt::Display for Fifo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Where a FIFO is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FifoPlace {
    /// In a volume; never an engine's named one.
    Volume(VolumeRef),
    /// In a pair of folders that the user says are the same one.
    Paths {
        /// The folder in the container: absolute, without `..`.
        container_path: String,
        /// The folder on the host: absolute.
        host_path: PathBuf,
    },
}

/// Which way the bytes of a FIFO go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Direction {
    /// Into the container (`NamedInputPipe`).
    Input,
    /// Out of the container (`NamedOutputPipe`).
    Output,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_shown_as_the_report_calls_it_and_without_secrets() {
        let url = HttpUrl::parse("http://u.example:81/p?token=hidden").unwrap();
        let headers = BTreeMap::from([("Girder-Token".to_owned(), Secret::new("hidden"))]);
        let ends: [(Connect<&str>, &str); 7] = [
            (
                Connect::new(Source::GirderFile { id: "5f".to_owned() }, Sink::Fifo("in")),
                "girder:5f → fifo:in",
            ),
            (
                Connect::new(
                    Source::Url { url: url.clone(), headers: headers.clone() },
                    Sink::HostStdOut,
                ),
                "url:u.example/p → host:stdout",
            ),
            (
                Connect::new(
                    Source::HostFile { path: "/a".into() },
                    Sink::HostFile { path: "/b".into() },
                ),
                "file:/a → file:/b",
            ),
            (
                Connect::new(Source::Fifo("out"), Sink::ChunkedPost { url, headers }),
                "fifo:out → post:u.example/p",
            ),
            (
                Connect::new(Source::ContainerStdOut, Sink::HostStdErr),
                "container:stdout → host:stderr",
            ),
            (
                Connect::new(
                    Source::ContainerStdErr,
                    Sink::GirderItem { item_id: "5e".to_owned(), name: "n".to_owned(), size: None },
                ),
                "container:stderr → girder:item/5e/n",
            ),
            (Connect::new(Source::Fifo("p"), Sink::Progress), "fifo:p → progress"),
        ];
        for (connect, shown) in ends {
            assert_eq!(connect.to_string(), shown);
            assert!(!format!("{connect:?}").contains("hidden"));
            let named = connect.try_map_fifo(|fifo| Ok::<_, ()>(format!("{fifo}2"))).unwrap();
            assert_eq!(named.fifo().is_some(), connect.fifo().is_some());
            assert_eq!(named.to_string().replace('2', ""), shown);
        }
    }
}
