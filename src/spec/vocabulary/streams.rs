//! The Connects of a job, and that no two of them share an end.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use super::declared::{Volumes, cleaned};
use super::transform::{
    CHUNKED_TRANSFER_ENCODING_STREAM, CONTAINER_STD_ERR, GIRDER_FILE_ID_TO_STREAM,
    GIRDER_STREAM_TO_ITEM, HOST_FILE, HOST_FILE_TO_STREAM, HOST_STD_ERR, HOST_STD_OUT,
    NAMED_INPUT_PIPE, NAMED_OUTPUT_PIPE, URL_TO_STREAM,
};
use crate::spec::error::Problem;
use crate::spec::json::fields::Fields;
use crate::spec::json::{Fault, Node, rule, shortened, too_many};
use crate::spec::limits::MAX_STREAMS;
use crate::spec::secret::{HttpUrl, Secret};
use crate::spec::stream::{Connect, Direction, Fifo, FifoPlace, Sink, Source};
use crate::spec::volume::VolumeRef;

#[derive(Default)]
pub(in crate::spec) struct Streams {
    connects: usize,
    fifos: HashSet<(Folder, String)>,
    files: HashSet<PathBuf>,
    stdout: bool,
    stderr: bool,
}

/// A folder in which FIFOs are made, however it was said.
#[derive(PartialEq, Eq, Hash)]
enum Folder {
    Host(String),
    Temporary(VolumeRef),
}

impl Streams {
    pub(in crate::spec) fn connect(
        &mut self,
        node: &Node,
        volumes: &mut Volumes,
    ) -> Result<Connect, Fault> {
        self.count(node)?;
        let fields = Fields::of(node);
        let (input, output) = (fields.need("input")?, fields.need("output")?);
        Ok(Connect { source: self.source(input, volumes)?, sink: self.sink(output, volumes)? })
    }

    /// The FIFO of a `ProgressPipe`, which is a stream too.
    pub(in crate::spec) fn progress(
        &mut self,
        node: &Node,
        volumes: &mut Volumes,
    ) -> Result<Fifo, Fault> {
        self.count(node)?;
        let fields = Fields::of(node);
        let name = fields.optional_text("name").unwrap_or(Fifo::PROGRESS).to_owned();
        let volume = volumes.referenced(fields.get("volume"))?;
        volumes.on_host(volume, node.at, format!("the FIFO `{}`", shortened(&name)))?;
        let place = FifoPlace::Volume(volume);
        let fifo = Fifo { name, place, direction: Direction::Output };
        self.take_fifo(&fifo, node, volumes)?;
        Ok(fifo)
    }

    fn count(&mut self, node: &Node) -> Result<(), Fault> {
        self.connects += 1;
        if self.connects > MAX_STREAMS {
            return Err(Fault::new(node.at, too_many(self.connects, "streams", MAX_STREAMS)));
        }
        Ok(())
    }

    fn source(&mut self, node: &Node, volumes: &mut Volumes) -> Result<Source, Fault> {
        let fields = Fields::of(node);
        let kind = fields.type_name();
        if kind == GIRDER_FILE_ID_TO_STREAM.name {
            Ok(Source::GirderFile { id: fields.text("id")?.to_owned() })
        } else if kind == URL_TO_STREAM.name {
            Ok(Source::Url { url: url(&fields)?, headers: headers(&fields)? })
        } else if kind == HOST_FILE_TO_STREAM.name {
            Ok(Source::HostFile { path: fields.text("path")?.into() })
        } else if kind == NAMED_OUTPUT_PIPE.name {
            let fifo = fifo(node, volumes)?;
            self.take_fifo(&fifo, node, volumes)?;
            Ok(Source::Fifo(fifo))
        } else {
            let (source, taken) = match kind == CONTAINER_STD_ERR.name {
                true => (Source::ContainerStdErr, &mut self.stderr),
                false => (Source::ContainerStdOut, &mut self.stdout),
            };
            if std::mem::replace(taken, true) {
                return Err(Fault::new(node.at, Problem::EndTaken(kind.to_owned())));
            }
            Ok(source)
        }
    }

    fn sink(&mut self, node: &Node, volumes: &mut Volumes) -> Result<Sink, Fault> {
        let fields = Fields::of(node);
        let kind = fields.type_name();
        if kind == HOST_STD_OUT.name {
            Ok(Sink::HostStdOut)
        } else if kind == HOST_STD_ERR.name {
            Ok(Sink::HostStdErr)
        } else if kind == HOST_FILE.name {
            let path = PathBuf::from(fields.text("path")?);
            if !self.files.insert(path.clone()) {
                let file = format!("the file {}", shortened(&path.to_string_lossy()));
                return Err(Fault::new(node.at, Problem::EndTaken(file)));
            }
            Ok(Sink::HostFile { path })
        } else if kind == CHUNKED_TRANSFER_ENCODING_STREAM.name {
            Ok(Sink::ChunkedPost { url: url(&fields)?, headers: headers(&fields)? })
        } else if kind == GIRDER_STREAM_TO_ITEM.name {
            Ok(Sink::GirderItem {
                item_id: fields.text("item_id")?.to_owned(),
                name: fields.text("name")?.to_owned(),
                size: fields.get("size").and_then(Node::as_whole),
            })
        } else {
            let fifo = fifo(node, volumes)?;
            self.take_fifo(&fifo, node, volumes)?;
            Ok(Sink::Fifo(fifo))
        }
    }

    fn take_fifo(&mut self, fifo: &Fifo, node: &Node, volumes: &Volumes) -> Result<(), Fault> {
        let folder = match &fifo.place {
            FifoPlace::Volume(volume) => match volumes.host_path(*volume) {
                Some(path) => Folder::Host(cleaned(path)),
                None => Folder::Temporary(*volume),
            },
            FifoPlace::Paths { host_path, .. } => {
                Folder::Host(cleaned(&host_path.to_string_lossy()))
            }
        };
        if self.fifos.insert((folder, fifo.name.clone())) {
            return Ok(());
        }
        Err(Fault::new(node.at, Problem::FifoTaken(shortened(&fifo.name))))
    }
}

/// A named pipe, of either direction.
pub(in crate::spec) fn fifo(node: &Node, volumes: &mut Volumes) -> Result<Fifo, Fault> {
    let fields = Fields::of(node);
    let direction = match fields.type_name() == NAMED_INPUT_PIPE.name {
        true => Direction::Input,
        false => Direction::Output,
    };
    let name = fields.text("name")?.to_owned();
    let paths = (fields.optional_text("container_path"), fields.optional_text("host_path"));
    let place = if let (Some(container_path), Some(host_path)) = paths {
        FifoPlace::Paths { container_path: container_path.to_owned(), host_path: host_path.into() }
    } else {
        let volume = volumes.referenced(fields.get("volume"))?;
        volumes.on_host(volume, node.at, format!("the FIFO `{}`", shortened(&name)))?;
        FifoPlace::Volume(volume)
    };
    Ok(Fifo { name, place, direction })
}

/// The member `url`.
pub(in crate::spec) fn url(fields: &Fields<'_>) -> Result<HttpUrl, Fault> {
    let address = fields.need("url")?;
    let unreadable = || {
        let (found, expected) = (address.describe(true), rule::URL.expected.to_owned());
        Fault::new(address.at, Problem::Unexpected { found, expected })
    };
    address.as_str().and_then(HttpUrl::parse).ok_or_else(unreadable)
}

/// The member `headers`; none if it is not there.
pub(in crate::spec) fn headers(fields: &Fields<'_>) -> Result<BTreeMap<String, Secret>, Fault> {
    let mut headers = BTreeMap::new();
    let mut names = HashSet::new();
    for (name, value) in fields.get("headers").iter().flat_map(|node| Fields::of(node).iter()) {
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(Fault::new(value.at, Problem::Twice(shortened(name))));
        }
        headers.insert(name.to_owned(), Secret::new(value.as_str().unwrap_or_default()));
    }
    Ok(headers)
}
