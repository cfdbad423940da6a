//! Makes a [`Plan`] of a job: each volume its mount, each argument its text, each `Connect` a
//! transfer.

use std::path::Path;

use super::girder;
use super::warnings;
use super::{
    FifoFolder, Mount, Plan, PlanError, PlannedDownload, PlannedFifo, PlannedSink, PlannedSource,
    PlannedTransfer,
};
use crate::spec::{
    Argument, BindMount, Connect, Fifo, FifoPlace, JobSpec, Sink, Source, Volume, VolumeRef,
};
use crate::volume::{Bind, ContainerPath, HostPath, RelativePath};

/// Where Girder Worker mounts temporary volumes; programs in images rely on it.
const TEMPORARY_PREFIX: &str = "/mnt/girder_worker";

/// A plan that is being made.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    pub(crate) job: &'a JobSpec,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) downloads: Vec<PlannedDownload>,
    fifos: Vec<PlannedFifo>,
    transfers: Vec<PlannedTransfer>,
}

impl<'a> Planner<'a> {
    /// Begins with nothing.
    pub(crate) fn new(job: &'a JobSpec) -> Self {
        Self {
            job,
            mounts: Vec::new(),
            downloads: Vec::new(),
            fifos: Vec::new(),
            transfers: Vec::new(),
        }
    }

    /// Plans the whole job.
    pub(crate) fn plan(mut self, name: &mut impl FnMut() -> String) -> Result<Plan, PlanError> {
        self.mount_all(name)?;
        let job = self.job;
        let arguments = job.container_args.iter().enumerate();
        let arguments = arguments.map(|(at, argument)| self.argument(at, argument));
        let arguments = arguments.collect::<Result<_, _>>()?;
        for connect in &job.stream_connectors {
            self.connect(connect)?;
        }
        self.connect_streams()?;
        self.refuse_shared_ends()?;
        let hooks =
            job.result_hooks.iter().map(|hook| self.hook(hook)).collect::<Result<_, _>>()?;
        Ok(Plan {
            image: job.image.clone(),
            pull: job.pull,
            entrypoint: job.entrypoint.clone(),
            arguments,
            girder_arguments: girder::girder_arguments(job),
            girder_job: job.girder_job.clone(),
            warnings: self.warnings(),
            mounts: self.mounts,
            downloads: self.downloads,
            hooks,
            fifos: self.fifos,
            transfers: self.transfers,
            remove_container: job.remove_container || job.container.removes_itself(),
            container: job.container.clone(),
        })
    }

    fn mount_all(&mut self, name: &mut impl FnMut() -> String) -> Result<(), PlanError> {
        let mut temporary = |host_dir, mode| {
            let target = ContainerPath::new(format!("{TEMPORARY_PREFIX}/{}", name()));
            let target = target.map_err(|source| PlanError::Path {
                what: "a temporary volume".to_owned(),
                source,
            })?;
            Ok::<_, PlanError>(Mount::Temporary { host_dir, mode, target })
        };
        self.mounts.push(temporary(None, 0o777)?);
        for volume in &self.job.volumes {
            self.mounts.push(match volume {
                Volume::Bind(mount) => bind(mount)?,
                Volume::Temporary(volume) => temporary(volume.host_dir.clone(), volume.mode)?,
            });
        }
        for (at, mount) in self.mounts.iter().enumerate() {
            let target = mount.target().as_str().trim_end_matches('/');
            let same = |other: &Mount| other.target().as_str().trim_end_matches('/') == target;
            if self.mounts.iter().take(at).any(same) {
                return Err(PlanError::MountedTwice { target: target.to_owned() });
            }
        }
        Ok(())
    }

    fn argument(&mut self, at: usize, argument: &Argument) -> Result<String, PlanError> {
        Ok(match argument {
            Argument::Literal(text) => text.clone(),
            Argument::Volume(volume) => self.target(*volume)?.as_str().to_owned(),
            Argument::VolumePath(path) => {
                self.target(path.volume)?.join_as_written(&path.filename).map_err(|source| {
                    PlanError::Path { what: format!("the VolumePath {}", path.filename), source }
                })?
            }
            Argument::Fifo(fifo) => self.fifo(fifo)?.1.as_str().to_owned(),
            Argument::Connect(connect) => self.connect(connect)?,
            Argument::ProgressPipe(fifo) => self.progress_pipe(fifo)?,
            Argument::GirderApiUrl | Argument::GirderToken => String::new(),
            Argument::Download(download) => self.download(at, download)?,
        })
    }

    /// Plans a transfer, and gives the path of the FIFO in it: the sink's, as Girder Worker does,
    /// when both ends are one.
    fn connect(&mut self, connect: &Connect) -> Result<String, PlanError> {
        let (source, source_label, source_path) = self.source(&connect.source)?;
        let (sink, sink_label, sink_path) = self.sink(&connect.sink)?;
        self.transfers.push(PlannedTransfer { source, sink, source_label, sink_label });
        Ok(sink_path.or(source_path).map_or_else(String::new, |path| path.as_str().to_owned()))
    }

    /// A FIFO whose lines say how far the container is; it may be named more than once.
    fn progress_pipe(&mut self, fifo: &Fifo) -> Result<String, PlanError> {
        let (at, path) = self.fifo(fifo)?;
        let planned = PlannedTransfer {
            source: PlannedSource::Fifo(at),
            sink: PlannedSink::Progress,
            source_label: format!("fifo:{}", fifo.name),
            sink_label: "progress".to_owned(),
        };
        if !self.transfers.contains(&planned) {
            self.transfers.push(planned);
        }
        Ok(path.as_str().to_owned())
    }

    fn source(
        &mut self,
        source: &Source,
    ) -> Result<(PlannedSource, String, Option<ContainerPath>), PlanError> {
        Ok(match source {
            Source::GirderFile { id } => {
                (PlannedSource::GirderFile { id: id.clone() }, format!("girder:{id}"), None)
            }
            Source::Url { url, headers } => {
                let label = format!("url:{}", url.as_url().host_str().unwrap_or_default());
                (PlannedSource::Url { url: url.clone(), headers: headers.clone() }, label, None)
            }
            Source::HostFile { path } => {
                let label = format!("file:{}", path.display());
                (PlannedSource::HostFile { path: path.clone() }, label, None)
            }
            Source::Fifo(fifo) => {
                let (at, path) = self.fifo(fifo)?;
                (PlannedSource::Fifo(at), format!("fifo:{}", fifo.name), Some(path))
            }
            Source::ContainerStdOut => {
                (PlannedSource::ContainerStdOut, "container:stdout".to_owned(), None)
            }
            Source::ContainerStdErr => {
                (PlannedSource::ContainerStdErr, "container:stderr".to_owned(), None)
            }
        })
    }

    fn sink(
        &mut self,
        sink: &Sink,
    ) -> Result<(PlannedSink, String, Option<ContainerPath>), PlanError> {
        Ok(match sink {
            Sink::Fifo(fifo) => {
                let (at, path) = self.fifo(fifo)?;
                (PlannedSink::Fifo(at), format!("fifo:{}", fifo.name), Some(path))
            }
            Sink::HostStdOut => (PlannedSink::HostStdOut, "host:stdout".to_owned(), None),
            Sink::HostStdErr => (PlannedSink::HostStdErr, "host:stderr".to_owned(), None),
            Sink::HostFile { path } => {
                let label = format!("file:{}", path.display());
                (PlannedSink::HostFile { path: path.clone() }, label, None)
            }
            Sink::ChunkedPost { url, headers } => {
                let label = format!("post:{}", url.as_url().host_str().unwrap_or_default());
                (PlannedSink::Post { url: url.clone(), headers: headers.clone() }, label, None)
            }
            Sink::GirderItem { item_id, name, size } => {
                let label = format!("girder:item/{item_id}/{name}");
                let (item_id, name, size) = (item_id.clone(), name.clone(), *size);
                (PlannedSink::GirderItem { item_id, name, size }, label, None)
            }
        })
    }

    /// Plans a FIFO once, however often it is named, and gives its path in the container.
    fn fifo(&mut self, fifo: &Fifo) -> Result<(usize, ContainerPath), PlanError> {
        let wrong = |source| PlanError::Path { what: format!("the FIFO {}", fifo.name), source };
        let name = RelativePath::new(&fifo.name).map_err(wrong)?;
        let (folder, target) = match &fifo.place {
            FifoPlace::Volume(volume) => {
                let at = place(*volume);
                if let Some(Mount::Bind { host_path, .. }) = self.mounts.get(at)
                    && !host_path.starts_with('/')
                {
                    return Err(PlanError::FifoInEngineVolume {
                        fifo: fifo.name.clone(),
                        volume: host_path.clone(),
                    });
                }
                (FifoFolder::Mount(at), self.target(*volume)?.join(&name))
            }
            FifoPlace::Paths { container_path, host_path } => {
                let folder = HostPath::new(host_path).map_err(wrong)?;
                let target = ContainerPath::new(container_path).map_err(wrong)?;
                self.refuse_unmounted(fifo, container_path)?;
                (FifoFolder::Host(folder), target.join(&name))
            }
        };
        let planned = PlannedFifo { folder, name, direction: fifo.direction };
        let same =
            |other: &PlannedFifo| other.folder == planned.folder && other.name == planned.name;
        let at = match self.fifos.iter().position(same) {
            Some(at) if self.fifos.get(at) != Some(&planned) => {
                return Err(PlanError::FifoBothWays { fifo: fifo.name.clone() });
            }
            Some(at) => at,
            None => {
                self.fifos.push(planned);
                self.fifos.len() - 1
            }
        };
        Ok((at, target))
    }

    /// A container that looks where nothing is mounted does not find the FIFO, or writes a file of
    /// its own.
    fn refuse_unmounted(&self, fifo: &Fifo, container_path: &str) -> Result<(), PlanError> {
        let options = &self.job.container;
        let mounts_more = ["mounts", "volumes_from"].iter().any(|keyword| options.is_set(keyword));
        let folder = Path::new(container_path);
        let mut targets = self.mounts.iter().map(|mount| mount.target().as_str());
        match mounts_more || targets.any(|target| folder.starts_with(target)) {
            true => Ok(()),
            false => Err(PlanError::FifoNotMounted {
                fifo: fifo.name.clone(),
                container_path: container_path.to_owned(),
            }),
        }
    }

    /// The container's own streams go to ours unless the job takes them elsewhere.
    fn connect_streams(&mut self) -> Result<(), PlanError> {
        for (stream, ours) in [
            (Source::ContainerStdOut, Sink::HostStdOut),
            (Source::ContainerStdErr, Sink::HostStdErr),
        ] {
            let (source, ..) = self.source(&stream)?;
            if !self.transfers.iter().any(|transfer| transfer.source == source) {
                self.connect(&Connect { source: stream, sink: ours })?;
            }
        }
        Ok(())
    }

    fn refuse_shared_ends(&self) -> Result<(), PlanError> {
        for (at, transfer) in self.transfers.iter().enumerate() {
            let mut before = self.transfers.iter().take(at);
            let shared_source = matches!(
                transfer.source,
                PlannedSource::Fifo(_)
                    | PlannedSource::ContainerStdOut
                    | PlannedSource::ContainerStdErr
            ) && before.clone().any(|other| other.source == transfer.source);
            if shared_source {
                return Err(PlanError::ConnectedTwice { end: transfer.source_label.clone() });
            }
            let shared_sink =
                matches!(transfer.sink, PlannedSink::Fifo(_) | PlannedSink::HostFile { .. })
                    && before.any(|other| other.sink == transfer.sink);
            if shared_sink {
                return Err(PlanError::ConnectedTwice { end: transfer.sink_label.clone() });
            }
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let is_streamed = |at: usize| {
            let (source, sink) = (PlannedSource::Fifo(at), PlannedSink::Fifo(at));
            self.transfers.iter().any(|transfer| transfer.source == source || transfer.sink == sink)
        };
        let idle = self.fifos.iter().enumerate().filter(|(at, _)| !is_streamed(*at));
        let idle = idle.map(|(_, fifo)| fifo.name.as_str()).map(|name| {
            format!("nothing is streamed through the FIFO {name}: whoever opens it will wait")
        });
        idle.chain(warnings::of_keywords(&self.job.container).map(str::to_owned)).collect()
    }

    pub(crate) fn target(&self, volume: VolumeRef) -> Result<&ContainerPath, PlanError> {
        let at = place(volume);
        self.mounts.get(at).map(Mount::target).ok_or(PlanError::NoSuchVolume { volume: at })
    }
}

fn bind(mount: &BindMount) -> Result<Mount, PlanError> {
    let wrong =
        |source| PlanError::Path { what: format!("the volume {}", mount.host_path), source };
    let target = ContainerPath::new(&mount.container_path).map_err(wrong)?;
    let bind = Bind::new(&mount.host_path, target.clone(), &mount.mode).map_err(wrong)?;
    Ok(Mount::Bind { bind, host_path: mount.host_path.clone(), target })
}

/// The default temporary volume comes first.
pub(crate) fn place(volume: VolumeRef) -> usize {
    match volume {
        VolumeRef::Default => 0,
        VolumeRef::Listed(at) => at + 1,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::spec::{Direction, HttpUrl, Secret, TemporaryVolume, VolumePath};

    pub(crate) fn job() -> JobSpec {
        JobSpec::new("busybox")
    }

    fn plan(job: &JobSpec) -> Result<Plan, PlanError> {
        let mut next = 0;
        Plan::new(job, || {
            next += 1;
            format!("t{next}")
        })
    }

    fn bind(host_path: &str, container_path: &str) -> Volume {
        let mode = "rw".to_owned();
        Volume::Bind(BindMount {
            host_path: host_path.to_owned(),
            container_path: container_path.to_owned(),
            mode,
        })
    }

    fn fifo(name: &str, volume: VolumeRef, direction: Direction) -> Fifo {
        Fifo { name: name.to_owned(), place: FifoPlace::Volume(volume), direction }
    }

    fn input(name: &str) -> Fifo {
        fifo(name, VolumeRef::Default, Direction::Input)
    }

    fn file_into(fifo: Fifo) -> Connect {
        Connect { source: Source::GirderFile { id: "5f".to_owned() }, sink: Sink::Fifo(fifo) }
    }

    #[test]
    fn every_argument_becomes_what_the_container_sees() {
        let temporary = TemporaryVolume { name: None, host_dir: None, mode: 0o777 };
        let job = JobSpec {
            volumes: vec![bind("/data", "/mnt/data/"), Volume::Temporary(temporary)],
            container_args: vec![
                Argument::Literal("-n".to_owned()),
                Argument::Volume(VolumeRef::Default),
                Argument::Volume(VolumeRef::Listed(0)),
                Argument::VolumePath(VolumePath {
                    filename: "a//b/".to_owned(),
                    volume: VolumeRef::Listed(1),
                }),
                Argument::VolumePath(VolumePath {
                    filename: "c".to_owned(),
                    volume: VolumeRef::Listed(0),
                }),
                Argument::Fifo(input("idle")),
                Argument::Connect(Box::new(file_into(input("in")))),
                Argument::Connect(Box::new(Connect {
                    source: Source::HostFile { path: "/x".into() },
                    sink: Sink::HostFile { path: "/y".into() },
                })),
            ],
            ..job()
        };
        let plan = plan(&job).unwrap();
        assert_eq!(
            plan.arguments,
            [
                "-n",
                "/mnt/girder_worker/t1",
                "/mnt/data/",
                "/mnt/girder_worker/t2/a//b/",
                "/mnt/data/c",
                "/mnt/girder_worker/t1/idle",
                "/mnt/girder_worker/t1/in",
                "",
            ]
        );
        assert_eq!(plan.mounts.len(), 3);
        assert_eq!(plan.fifos.len(), 2);
        assert!(matches!(plan.warnings.as_slice(), [warning] if warning.contains("idle")));
        assert!(plan.needs_girder());
    }

    #[test]
    fn the_containers_streams_go_to_ours_unless_the_job_takes_them() {
        let labels = |job: &JobSpec| -> Vec<String> {
            plan(job).unwrap().transfers.iter().map(PlannedTransfer::label).collect()
        };
        assert_eq!(
            labels(&job()),
            ["container:stdout → host:stdout", "container:stderr → host:stderr"]
        );
        let taken = Connect {
            source: Source::ContainerStdOut,
            sink: Sink::HostFile { path: "/out".into() },
        };
        let job = JobSpec { stream_connectors: vec![taken], ..job() };
        assert_eq!(
            labels(&job),
            ["container:stdout → file:/out", "container:stderr → host:stderr"]
        );
    }

    #[test]
    fn a_fifo_that_is_named_twice_is_made_once() {
        let job = JobSpec {
            container_args: vec![Argument::Fifo(input("in"))],
            stream_connectors: vec![file_into(input("./in"))],
            ..job()
        };
        let plan = plan(&job).unwrap();
        assert_eq!(plan.fifos.len(), 1);
        assert!(plan.warnings.is_empty());
    }

    #[test]
    fn an_end_takes_one_transfer() {
        let twice =
            |connects: [Connect; 2]| plan(&JobSpec { stream_connectors: connects.into(), ..job() });
        let error = twice([file_into(input("in")), file_into(input("in"))]);
        assert!(matches!(error, Err(PlanError::ConnectedTwice { end }) if end == "fifo:in"));
        let stdout = Connect { source: Source::ContainerStdOut, sink: Sink::HostStdErr };
        let error = twice([stdout.clone(), stdout]);
        assert!(
            matches!(error, Err(PlanError::ConnectedTwice { end }) if end == "container:stdout")
        );
        let output = fifo("in", VolumeRef::Default, Direction::Output);
        let output = Connect { source: Source::Fifo(output), sink: Sink::HostStdOut };
        let error = twice([file_into(input("in")), output]);
        assert!(matches!(error, Err(PlanError::FifoBothWays { fifo }) if fifo == "in"));
    }

    #[test]
    fn a_fifo_needs_a_folder_of_the_host() {
        let fifo = fifo("in", VolumeRef::Listed(0), Direction::Input);
        let job = JobSpec {
            volumes: vec![bind("named", "/mnt")],
            container_args: vec![Argument::Fifo(fifo)],
            ..job()
        };
        let error = plan(&job);
        assert!(
            matches!(error, Err(PlanError::FifoInEngineVolume { volume, .. }) if volume == "named")
        );
    }

    #[test]
    fn a_place_is_mounted_once() {
        let job = JobSpec { volumes: vec![bind("/a", "/mnt"), bind("/b", "/mnt/")], ..job() };
        assert!(matches!(plan(&job), Err(PlanError::MountedTwice { target }) if target == "/mnt"));
    }

    #[test]
    fn labels_hold_no_secret() {
        let url = HttpUrl::parse("http://host:81/p?token=hidden").unwrap();
        let headers = BTreeMap::from([("Girder-Token".to_owned(), Secret::new("hidden"))]);
        let source = Source::Url { url, headers };
        let connect = Connect { source, sink: Sink::HostStdOut };
        let job = JobSpec { stream_connectors: vec![connect], ..job() };
        let plan = plan(&job).unwrap();
        assert_eq!(plan.transfers[0].label(), "url:host → host:stdout");
        assert!(!format!("{plan:?}").contains("hidden"));
    }
}
