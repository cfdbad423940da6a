//! The first phase: the engine, the image, the sources, the volumes, the container itself.
//!
//! Sources that go into the container begin here: they connect and fill their FIFOs while the
//! engine is still making the container.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use tokio::task::{JoinSet, spawn_blocking};

use super::error::Cause;
use super::girder_server::GirderServer;
use super::host_file::{self, Opened};
use super::live::{Live, MadeContainer, Stop};
use super::plan::{Mount, PlannedSink, PlannedSource, PlannedTransfer};
use crate::docker::{Client, ContainerId, CreateContainer, Endpoint};
use crate::event::{Event, PullProgress};
use crate::girder::{self, FileRecord, GirderError};
use crate::http::{Get, HeaderValue};
use crate::pump::{Sink, Source};
use crate::spec::PullPolicy;
use crate::volume::{HostFifo, TempDirectory};

/// Everything is there, and nothing runs.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) engine: Client,
    pub(super) container: ContainerId,
}

impl Prepared {
    /// Makes everything ready that the container needs, and the container.
    pub(super) async fn prepare(live: &mut Live) -> Result<Self, Stop> {
        for warning in live.plan.warnings.clone() {
            live.warns(warning);
        }
        let cancellation = live.cancellation.clone();
        let gathered = Live::unless_cancelled(&cancellation, gather(live)).await?;
        live.made.engine = Some(gathered.engine.clone());
        warn_about_distance(live, &gathered.engine);
        make_volumes(live)?;
        let begin = begin_inputs(live, gathered.sources);
        Live::unless_cancelled(&cancellation, begin).await?;
        let container = create(live, &gathered.engine).await?;
        if cancellation.is_asked() {
            return Err(Stop::Cancelled);
        }
        Ok(Self { engine: gathered.engine, container })
    }
}

/// What comes from elsewhere.
struct Gathered {
    engine: Client,
    sources: BTreeMap<usize, Remote>,
}

/// A source that was found, and its size when its owner says.
struct Remote {
    get: Get,
    size: Option<u64>,
}

/// The image and the files' records, side by side.
async fn gather(live: &Live) -> Result<Gathered, Cause> {
    let image = async {
        let settings = live.shared.engine.clone();
        let engine = Client::connect(settings).await.map_err(Cause::Connect)?;
        have_image(live, &engine).await?;
        Ok(engine)
    };
    let (engine, sources) = tokio::try_join!(image, find_sources(live))?;
    Ok(Gathered { engine, sources })
}

async fn have_image(live: &Live, engine: &Client) -> Result<(), Cause> {
    let image = &live.plan.image;
    let failed = |source| Cause::Image { image: image.clone(), source };
    if live.plan.pull != PullPolicy::Always {
        match engine.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(error) if !error.is_not_found() => return Err(failed(error)),
            Err(_) if live.plan.pull == PullPolicy::Never => {
                return Err(Cause::NoImage { image: image.clone() });
            }
            Err(_) => {}
        }
    }
    let mut tell = |line: crate::docker::PullLine| {
        live.tell(&Event::Pull(PullProgress {
            layer: line.layer,
            status: line.status,
            current: line.current,
            total: line.total,
        }));
    };
    engine.pull(image, &mut tell).await.map(drop).map_err(failed)
}

/// Asks Girder for each file that is to be streamed, so that one that is not there, or that is not
/// for us, fails by name and before any container exists.
async fn find_sources(live: &Live) -> Result<BTreeMap<usize, Remote>, Cause> {
    let mut sources = BTreeMap::new();
    let mut wanted = Vec::new();
    for (at, transfer) in live.plan.transfers.iter().enumerate() {
        match &transfer.source {
            PlannedSource::GirderFile { id } => wanted.push((at, id.clone())),
            PlannedSource::Url { url, headers } => {
                let get =
                    headers.iter().fold(Get::new(url.as_url().clone()), |get, (name, value)| {
                        get.with_header(name, HeaderValue::new(value.expose()))
                    });
                // Built once here, so that a header that cannot be sent fails early.
                let label = || transfer.source_label.clone();
                live.shared
                    .http
                    .get(get.clone())
                    .map_err(|error| Cause::Request { label: label(), source: Box::new(error) })?;
                sources.insert(at, Remote { get, size: None });
            }
            _ => {}
        }
    }
    if wanted.is_empty() {
        return Ok(sources);
    }
    let server = live.girder.clone().ok_or(Cause::NoGirder)?;
    let options = live.shared.girder_options.clone();
    let client = move || {
        let GirderServer { url, credentials } = server;
        girder::Client::with_options(&url, credentials, &options).map_err(girder_failed)
    };
    let client = blocking(client).await?;
    let mut records = JoinSet::new();
    for (at, id) in wanted {
        let client = client.clone();
        records.spawn_blocking(move || {
            let FileRecord { size, .. } = client.file(&id).map_err(girder_failed)?;
            let get = client.download(&id).map_err(girder_failed)?;
            Ok((at, Remote { get, size }))
        });
    }
    while let Some(record) = records.join_next().await {
        let (at, remote) = record.map_err(|_| Cause::Bug("a question to Girder panicked"))??;
        sources.insert(at, remote);
    }
    Ok(sources)
}

fn girder_failed(error: GirderError) -> Cause {
    Cause::Girder(Box::new(error))
}

/// Runs what blocks in another thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Cause> + Send + 'static,
) -> Result<T, Cause> {
    spawn_blocking(work).await.map_err(|_| Cause::Bug("blocking work panicked"))?
}

/// FIFOs work only where the container's kernel is ours.
fn warn_about_distance(live: &mut Live, engine: &Client) {
    if live.plan.fifos.is_empty() {
        return;
    }
    let place = match engine.endpoint() {
        Endpoint::Tcp { .. } => "the engine is reached over TCP",
        Endpoint::Unix(path) if is_docker_desktop(path) => {
            "the engine is Docker Desktop's, in a virtual machine"
        }
        _ => return,
    };
    live.warns(format!(
        "{place}: FIFOs of this host carry nothing into a container on another kernel, and the \
         container may wait forever"
    ));
}

fn is_docker_desktop(socket: &Path) -> bool {
    socket.components().any(|part| part.as_os_str() == ".docker")
        || socket.components().any(|part| part.as_os_str() == "docker-desktop")
}

fn make_volumes(live: &mut Live) -> Result<(), Cause> {
    for mount in &live.plan.mounts {
        let Mount::Temporary { host_dir, mode, .. } = mount else { continue };
        if let Some(folder) = host_dir {
            let made = DirBuilder::new().recursive(true).mode(*mode).create(folder);
            made.map_err(|source| Cause::HostDir { folder: folder.clone(), source })?;
        }
        let parent = host_dir.as_ref().unwrap_or(&live.shared.temporary_folder);
        let made = TempDirectory::create(parent, &live.owner).map_err(Cause::Volume)?;
        live.made.directories.push(made);
    }
    for fifo in &live.plan.fifos {
        let folder = live.folder_of(&fifo.folder).ok_or(Cause::Bug("a FIFO without a folder"))?;
        let made = HostFifo::create(&folder, &fifo.name).map_err(Cause::Volume)?;
        live.made.fifos.push(made);
    }
    Ok(())
}

/// Begins every transfer that does not come out of the container.
async fn begin_inputs(live: &mut Live, mut remotes: BTreeMap<usize, Remote>) -> Result<(), Cause> {
    for (at, transfer) in live.plan.transfers.clone().into_iter().enumerate() {
        let (source, total) = match &transfer.source {
            PlannedSource::GirderFile { .. } | PlannedSource::Url { .. } => {
                let Remote { get, size } =
                    remotes.remove(&at).ok_or(Cause::Bug("a source that nobody looked for"))?;
                (Source::Http { client: live.shared.http.clone(), get, size }, size)
            }
            PlannedSource::HostFile { path } => open_source(path)?,
            PlannedSource::Fifo(_)
            | PlannedSource::ContainerStdOut
            | PlannedSource::ContainerStdErr => continue,
        };
        let sink = open_sink(live, at, &transfer).await?;
        live.transfers.begin(at, source, sink, total)?;
    }
    Ok(())
}

fn open_source(path: &Path) -> Result<(Source, Option<u64>), Cause> {
    let open = || -> io::Result<_> {
        let mut file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // A device says 0, or refuses.
        let size = file.seek(SeekFrom::End(0)).ok().filter(|size| *size > 0);
        file.rewind().or_else(|error| if size.is_none() { Ok(()) } else { Err(error) })?;
        Ok((file, size))
    };
    let (file, size) =
        open().map_err(|source| Cause::HostFileSource { path: path.to_owned(), source })?;
    Ok((Source::File(file), size))
}

/// Opens where a transfer goes to.
pub(super) async fn open_sink(
    live: &mut Live,
    at: usize,
    transfer: &PlannedTransfer,
) -> Result<Sink, Cause> {
    match &transfer.sink {
        PlannedSink::Fifo(fifo) => {
            let fifo = live.made.fifos.get(*fifo).ok_or(Cause::Bug("a FIFO was not made"))?;
            Ok(Sink::Fifo(fifo.share().map_err(Cause::Volume)?))
        }
        PlannedSink::HostStdOut => match &live.shared.stdout {
            Some(given) => inherited(given, "standard output"),
            None => inherited(&io::stdout(), "standard output"),
        },
        PlannedSink::HostStdErr => match &live.shared.stderr {
            Some(given) => inherited(given, "standard error"),
            None => inherited(&io::stderr(), "standard error"),
        },
        PlannedSink::HostFile { path } => {
            let (path, id) = (path.clone(), live.id.clone());
            let open = move || host_file::open(&path, &id).map_err(Cause::HostFile);
            Ok(match blocking(open).await? {
                Opened::Special(special) => Sink::Inherited(special),
                Opened::Regular(file, unfinished) => {
                    live.made.files.push((at, unfinished));
                    Sink::File(file)
                }
            })
        }
    }
}

fn inherited(stream: &impl AsFd, name: &'static str) -> Result<Sink, Cause> {
    let ours: io::Result<OwnedFd> = stream.as_fd().try_clone_to_owned();
    ours.map(Sink::Inherited).map_err(|source| Cause::HostStream { stream: name, source })
}

/// Creates the container. Not to be given up halfway: the engine would go on, and we would not
/// know what it made.
async fn create(live: &mut Live, engine: &Client) -> Result<ContainerId, Cause> {
    let mut body = CreateContainer::new(&live.plan.image, live.plan.arguments.clone());
    body.entrypoint.clone_from(&live.plan.entrypoint);
    body.labels = live.labels();
    body.host_config.binds = live.binds()?;
    live.made.container = MadeContainer::Asked;
    let name = live.container_name();
    let created = engine.create(&name, &body).await.map_err(Cause::Create)?;
    live.made.container = MadeContainer::Created(created.id.clone());
    let id = created.id.to_string();
    live.report.container_id = Some(id.clone());
    live.tell(&Event::ContainerCreated { id, name });
    created.warnings.into_iter().for_each(|warning| live.warns(warning));
    Ok(created.id)
}
