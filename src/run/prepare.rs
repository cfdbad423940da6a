//! The first phase: the engine, the image, the sources, the volumes, the container itself.
//!
//! Sources that go into the container begin here: they connect and fill their FIFOs while the
//! engine is still making the container.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use tokio::task::spawn_blocking;

use super::downloads::Fetched;
use super::error::Cause;
use super::live::{Live, MadeContainer, Stop};
use super::plan::Mount;
use super::sinks::open_sinks;
use super::sources::{Found, find_sources};
use crate::docker::{Client, ContainerId, CreateContainer, Endpoint, PullLine};
use crate::event::{Event, PullProgress};
use crate::pump::Sink;
use crate::spec::PullPolicy;
use crate::volume::{HostFifo, TempDirectory};

/// Everything is there, and nothing runs.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) engine: Client,
    pub(super) container: ContainerId,
    /// Those of the transfers that have not begun.
    pub(super) sinks: Vec<Option<Sink>>,
}

impl Prepared {
    /// Makes everything ready that the container needs, and the container.
    pub(super) async fn prepare(live: &mut Live) -> Result<Self, Stop> {
        for warning in live.plan.warnings.clone() {
            live.warns(warning);
        }
        let cancellation = live.cancellation.clone();
        make_volumes(live)?;
        let mut fetched = Fetched::default();
        let gathered = Live::unless_cancelled(&cancellation, gather(live, &mut fetched)).await;
        fetched.settle(live);
        let gathered = gathered?;
        live.made.engine = Some(gathered.engine.clone());
        warn_about_distance(live, &gathered.engine);
        let mut sinks = Live::unless_cancelled(&cancellation, open_sinks(live)).await?;
        begin_inputs(live, gathered.sources, &mut sinks)?;
        let container = create(live, &gathered.engine).await?;
        if cancellation.is_asked() {
            return Err(Stop::Cancelled);
        }
        Ok(Self { engine: gathered.engine, container, sinks })
    }
}

/// What comes from elsewhere.
struct Gathered {
    engine: Client,
    sources: BTreeMap<usize, Found>,
}

/// The image, the files' records and the downloads, side by side.
async fn gather(live: &Live, fetched: &mut Fetched) -> Result<Gathered, Cause> {
    let image = async {
        let settings = live.shared.engine.clone();
        let engine = Client::connect(settings).await.map_err(Cause::Connect)?;
        have_image(live, &engine).await?;
        Ok(engine)
    };
    let fetch = fetched.fetch(live);
    let (engine, sources, ()) = tokio::try_join!(image, find_sources(live), fetch)?;
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
    let mut tell = |line: PullLine| {
        live.tell(&Event::Pull(PullProgress {
            layer: line.layer,
            status: line.status,
            current: line.current,
            total: line.total,
        }));
    };
    engine.pull(image, &mut tell).await.map(drop).map_err(failed)
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

/// Runs what blocks in another thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Cause> + Send + 'static,
) -> Result<T, Cause> {
    spawn_blocking(work).await.map_err(|_| Cause::Bug("blocking work panicked"))?
}

/// Begins every transfer that does not come out of the container.
fn begin_inputs(
    live: &mut Live,
    sources: BTreeMap<usize, Found>,
    sinks: &mut [Option<Sink>],
) -> Result<(), Cause> {
    for (at, Found { source, size }) in sources {
        let sink = sinks.get_mut(at).and_then(Option::take);
        live.transfers.begin(at, source, sink.ok_or(NO_SINK)?, size)?;
    }
    Ok(())
}

/// Each transfer has its sink, and begins once.
pub(super) const NO_SINK: Cause = Cause::Bug("a transfer without a sink");

/// Creates the container. Not to be given up halfway: the engine would go on, and we would not
/// know what it made.
async fn create(live: &mut Live, engine: &Client) -> Result<ContainerId, Cause> {
    live.name_girder().await?;
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
    live.tells_job_of_container(engine, &created.id).await;
    created.warnings.into_iter().for_each(|warning| live.warns(warning));
    Ok(created.id)
}
