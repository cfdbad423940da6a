//! The first phase: the engine, the image, the sources, the volumes, the container itself.
//!
//! Sources that go into the container begin here: they connect and fill their FIFOs while the
//! engine is still making the container.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::docker::{
    ApiVersion, Client, ContainerId, Created, DockerError, Endpoint, Image, ImageCommand, PullLine,
};
use crate::event::{Event, PullProgress, TransferId};
use crate::plan::Mount;
use crate::run::cancel::Level;
use crate::run::container::binds::missing_sources;
use crate::run::container::body;
use crate::run::container::deaf::heard;
use crate::run::container::fast_stdout;
use crate::run::container::gpu::{Attempts, IMAGE_LABEL};
use crate::run::container::network::{OwnNetwork, own_container, own_network};
use crate::run::end::Stop;
use crate::run::error::Cause;
use crate::run::hooks::look_at_targets;
use crate::run::live::{Live, MadeContainer};
use crate::run::transfers::downloads::Fetched;
use crate::run::transfers::sinks::Sinks;
use crate::run::transfers::sources::{Found, find_sources};
use crate::spec::PullPolicy;
use crate::volume::{HostFifo, TempDirectory};

/// Everything is there, and nothing runs.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) engine: Client,
    pub(crate) container: ContainerId,
    pub(crate) sinks: Sinks,
    pub(crate) recipe: Recipe,
}

/// How the container is made: once, or again when the engine has no GPU for it.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) attempts: Attempts,
    /// What the image runs, if that has to be known.
    command: ImageCommand,
    own_network: Option<String>,
}

impl Prepared {
    /// Makes everything ready that the container needs, and the container.
    pub(crate) async fn prepare(live: &mut Live) -> Result<Self, Stop> {
        for warning in live.plan.warnings.clone() {
            live.warns(warning);
        }
        let cancellation = live.cancellation.clone();
        make_volumes(live)?;
        let mut fetched = Fetched::default();
        let gathered =
            cancellation.unless(Level::Asked, Box::pin(gather(live, &mut fetched))).await;
        fetched.settle(live);
        let gathered = gathered??;
        live.report.engine = gathered.engine.engine().map(str::to_owned);
        live.made.engine = Some(gathered.engine.clone());
        gathered.warning.into_iter().for_each(|warning| live.warns(warning));
        warn_about_distance(live, &gathered.engine);
        if matches!(gathered.engine.endpoint(), Endpoint::Unix(_)) && own_container().is_none() {
            missing_sources(&live.plan).into_iter().for_each(|warning| live.warns(warning));
        }
        let mut sinks = cancellation.unless(Level::Asked, Sinks::open(live)).await??;
        begin_inputs(live, gathered.sources, &mut sinks)?;
        let (attempts, command) = (gathered.attempts, gathered.command);
        let mut recipe = Recipe { attempts, command, own_network: None };
        recipe.join(live, gathered.own_network);
        let container = match recipe.create(live, &gathered.engine).await {
            Err(_) if cancellation.go_on().is_err() => return Err(Stop::Cancelled),
            created => created?,
        };
        if let Some(error) = live.record.failure() {
            live.warns(format!(
                "what this run makes is not written down, and `gantline prune` will not find all \
                 of it if the run is killed: {error}"
            ));
        }
        cancellation.go_on()?;
        Ok(Self { engine: gathered.engine, container, sinks, recipe })
    }
}

/// What comes from elsewhere.
struct Gathered {
    engine: Client,
    attempts: Attempts,
    own_network: OwnNetwork,
    command: ImageCommand,
    sources: BTreeMap<TransferId, Found>,
    warning: Option<String>,
}

/// The image, the files' records and the downloads, side by side; and the look at the image beside the
/// first word with the engine.
async fn gather(live: &Live, fetched: &mut Fetched) -> Result<Gathered, Cause> {
    let image = async {
        let settings = live.shared.engine.clone();
        let met = match live.plan.pull {
            PullPolicy::Always => Client::connect(settings).await.map(|engine| (engine, None)),
            _ => Client::connect_and_look(settings, &live.plan.image).await,
        };
        let (engine, seen) = met.map_err(Cause::Connect)?;
        refuse_too_old(live, engine.version())?;
        let (known, warning) = match seen {
            Some(image) => (Some(image), None),
            None => have_image(live, &engine).await?,
        };
        let command = match (&live.plan.fast_stdout, &known) {
            (None, _) => ImageCommand::default(),
            (Some(_), Some(image)) => image.command.clone(),
            (Some(_), None) => look_at_image(live, &engine).await?.command,
        };
        let attempts = attempts(live, &engine, known).await?;
        let own_network = own_network(&engine, &live.plan.container).await;
        Ok((engine, attempts, (own_network, command), warning))
    };
    let fetch = fetched.fetch(live);
    let targets = look_at_targets(live);
    let ((engine, attempts, (own_network, command), warning), sources, (), ()) =
        tokio::try_join!(image, find_sources(live), fetch, targets)?;
    Ok(Gathered { engine, attempts, own_network, command, sources, warning })
}

/// The engine passes over what it does not know; docker-py does not.
fn refuse_too_old(live: &Live, version: ApiVersion) -> Result<(), Cause> {
    let needs = ApiVersion::new(1, 41);
    match live.plan.container.platform() {
        Some(_) if version < needs => {
            Err(Cause::EngineTooOld { keyword: "platform", needs, version })
        }
        _ => Ok(()),
    }
}

/// Sees that the engine has the image; gives what it knows of it, if it had to be asked, and what the user
/// should know.
async fn have_image(
    live: &Live,
    engine: &Client,
) -> Result<(Option<Image>, Option<String>), Cause> {
    let image = &live.plan.image;
    let failed = |source| Cause::Image { image: image.clone(), source };
    if live.plan.pull != PullPolicy::Always {
        match engine.inspect_image(image).await {
            Ok(image) => return Ok((Some(image), None)),
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
    match engine.pull_platform(image, live.plan.container.platform(), &mut tell).await {
        Ok(pulled) => Ok((None, pulled.missing_helper.map(|helper| without_login(&helper)))),
        Err(source) if live.plan.pull == PullPolicy::Always => {
            let is_there = engine.inspect_image(image).await.is_ok();
            Err(if is_there {
                Cause::Pull { image: image.clone(), source }
            } else {
                failed(source)
            })
        }
        Err(source) => Err(failed(source)),
    }
}

fn without_login(helper: &str) -> String {
    format!(
        "the image was pulled without a login: Docker's configuration names {helper}, which is not \
         installed"
    )
}

/// What is tried to give the container a GPU, if it is to have one.
async fn attempts(live: &Live, engine: &Client, known: Option<Image>) -> Result<Attempts, Cause> {
    let options = &live.plan.container;
    if !Attempts::depend_on_the_image(options) {
        return Ok(Attempts::new(options, false));
    }
    let inspected = match known {
        Some(known) => known,
        None => look_at_image(live, engine).await?,
    };
    let (name, value) = IMAGE_LABEL;
    Ok(Attempts::new(options, inspected.labels.get(name).is_some_and(|label| label == value)))
}

async fn look_at_image(live: &Live, engine: &Client) -> Result<Image, Cause> {
    let image = &live.plan.image;
    let failed = |source| Cause::Image { image: image.clone(), source };
    engine.inspect_image(image).await.map_err(failed)
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
        let parent = host_dir.as_ref().unwrap_or(&live.given.temporary_folder);
        let made = TempDirectory::create(parent, &live.record).map_err(Cause::Volume)?;
        live.made.directories.push(made);
    }
    for fifo in &live.plan.fifos {
        let folder = live.folder_of(&fifo.folder).ok_or(Cause::Bug("a FIFO without a folder"))?;
        let made = HostFifo::create_beside(&live.made.fifos, &folder, &fifo.name, &live.record);
        let made = made.map_err(Cause::Volume)?;
        live.made.fifos.push(match live.mounted_above(&fifo.folder) {
            Some(mounted) => made.seen_beneath(&mounted),
            None => made,
        });
    }
    if let Some(fast) = &live.plan.fast_stdout {
        let folder = live.host_side(fast.mount).ok_or(Cause::Bug("FIFOs without a folder"))?;
        fast_stdout::make(folder).map_err(Cause::Volume)?;
    }
    Ok(())
}

/// Begins every transfer that does not come out of the container.
fn begin_inputs(
    live: &mut Live,
    sources: BTreeMap<TransferId, Found>,
    sinks: &mut Sinks,
) -> Result<(), Cause> {
    for (id, Found { source, size }) in sources {
        live.transfers.begin(id, source, sinks.take(id)?, size)?;
    }
    Ok(())
}

impl Recipe {
    fn join(&mut self, live: &mut Live, found: OwnNetwork) {
        match found {
            OwnNetwork::None => {}
            OwnNetwork::Join(network) => self.own_network = Some(network),
            OwnNetwork::InTheWayOf(keyword) => live.warns(format!(
                "the container does not share this container's network, because the job sets \
                 `{keyword}`"
            )),
        }
    }

    /// Creates the container. Not to be given up halfway: the engine would go on, and we would not
    /// know what it made.
    pub(crate) async fn create(
        &mut self,
        live: &mut Live,
        engine: &Client,
    ) -> Result<ContainerId, Cause> {
        live.name_girder().await?;
        let arguments = live.plan.resolve(&live.resolved);
        live.plan.refuse_too_long(&arguments).map_err(Cause::Plan)?;
        let name = live.container_name();
        let binds = live.binds()?;
        loop {
            let network = self.own_network.as_deref();
            let mut create =
                body::create(&live.plan, &live.resolved, live.labels(), &binds, network);
            if let Some(fast) = &live.plan.fast_stdout {
                fast_stdout::put_before(&mut create, fast, &self.command);
            }
            if live.plan.container.uses_config_proxy() {
                create.add_variables(engine.proxies().into_iter().map(Into::into).collect());
            }
            self.attempts.apply(&mut create);
            live.notes_container()?;
            live.made.container = MadeContainer::Asked;
            let creation = engine.create(&name, &create);
            match heard(engine, &live.cancellation, creation).await {
                Ok(created) => {
                    let id = note(live, created, name);
                    live.tells_job_of_container(engine, &id).await;
                    return Ok(id);
                }
                Err(error) => {
                    match error {
                        DockerError::Connect { .. }
                        | DockerError::Engine { status: 400..=499, .. } => {
                            live.made.container = MadeContainer::None;
                        }
                        // What went wrong may have gone wrong behind the making.
                        DockerError::Engine { .. } if !error.is_transient() => {
                            live.made.container = MadeContainer::Refused;
                        }
                        _ => {}
                    }
                    self.refused(live, error, Cause::Create)?;
                }
            }
        }
    }

    /// Goes on to the next attempt, or fails.
    pub(crate) fn refused(
        &mut self,
        live: &mut Live,
        error: DockerError,
        cause: impl FnOnce(DockerError) -> Cause,
    ) -> Result<(), Cause> {
        match self.attempts.refused(&error) {
            Some(warning) => {
                live.warns(warning);
                Ok(())
            }
            None if self.attempts.is_required() && error.is_about_gpus() => {
                Err(Cause::NoGpu(error))
            }
            None => Err(cause(error)),
        }
    }
}

fn note(live: &mut Live, created: Created, name: String) -> ContainerId {
    live.made.container = MadeContainer::Created(created.id.clone());
    let id = created.id.to_string();
    if let Some(note) = &live.made.container_note {
        note.created(&id);
    }
    live.report.container_id = Some(id.clone());
    live.tell(&Event::ContainerCreated { id, name });
    created.warnings.into_iter().for_each(|warning| live.warns(warning));
    created.id
}
