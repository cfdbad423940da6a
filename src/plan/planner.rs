//! Makes a [`Plan`] of a job: each volume its mount, each argument its text, each `Connect` a
//! transfer.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::argument::{Part, PlannedArgument};
use super::warnings;
use super::{
    FifoFolder, FifoRef, Mount, Plan, PlanError, PlannedDownload, PlannedFifo, PlannedTransfer,
};
use crate::spec::{
    Argument, BindMount, Connect, Direction, Downloaded, Fifo, FifoPlace, JobSpec, Sink, Source,
    Volume, VolumeRef,
};
use crate::volume::{Bind, ContainerPath, HostPath, RelativePath};

/// Where Girder Worker mounts temporary volumes; programs in images rely on it.
const TEMPORARY_PREFIX: &str = "/mnt/girder_worker";

/// A plan that is being made.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    pub(crate) job: &'a JobSpec,
    pub(crate) mounts: Vec<Mount>,
    default_volume: DefaultVolume,
    pub(crate) downloads: Vec<PlannedDownload>,
    /// Where in `downloads` each is, by its mount and what it is.
    pub(crate) downloads_at: HashMap<(usize, &'a Downloaded), usize>,
    /// The paths that the job names for files, by their mounts.
    pub(crate) named_paths: HashSet<(usize, &'a str)>,
    pub(super) fifos: Vec<PlannedFifo>,
    /// Where in `fifos` each is.
    fifos_at: HashMap<(FifoFolder, RelativePath), usize>,
    pub(super) transfers: Vec<PlannedTransfer>,
}

/// The default temporary volume.
#[derive(Debug)]
enum DefaultVolume {
    /// Nothing has named it yet: where it would be mounted. If nothing does, it is not: /mnt may be the user's own.
    Unused(ContainerPath),
    /// Where in `mounts` it is.
    At(usize),
}

impl<'a> Planner<'a> {
    /// Begins with the job's volumes.
    pub(crate) fn new(
        job: &'a JobSpec,
        name: &mut impl FnMut() -> String,
    ) -> Result<Self, PlanError> {
        let default_volume = DefaultVolume::Unused(temporary_target(name)?);
        Ok(Self {
            job,
            mounts: mounts(job, name)?,
            default_volume,
            downloads: Vec::new(),
            downloads_at: HashMap::new(),
            named_paths: HashSet::new(),
            fifos: Vec::new(),
            fifos_at: HashMap::new(),
            transfers: Vec::new(),
        })
    }

    /// Plans the whole job.
    pub(crate) fn plan(mut self, name: &mut impl FnMut() -> String) -> Result<Plan, PlanError> {
        let job = self.job;
        let arguments = job.container_args().iter().map(|argument| self.argument(argument));
        let arguments = arguments.collect::<Result<_, _>>()?;
        for connect in job.stream_connectors() {
            self.connect(connect)?;
        }
        let fast_stdout = self.fast_stdout(name)?;
        self.connect_streams();
        let hooks = job.result_hooks().iter().map(|hook| self.hook(hook));
        let hooks = hooks.collect::<Result<_, _>>()?;
        self.refuse_read_only()?;
        Ok(Plan {
            image: job.image().to_owned(),
            pull: job.pull(),
            verify: job.verify(),
            entrypoint: job.entrypoint().map(<[String]>::to_vec),
            fast_stdout,
            arguments,
            girder_job: job.girder_job().cloned(),
            warnings: self.warnings(),
            mounts: self.mounts,
            downloads: self.downloads,
            hooks,
            fifos: self.fifos,
            transfers: self.transfers,
            remove_container: job.remove_container() || job.container().removes_itself(),
            container: job.container().clone(),
        })
    }

    fn argument(&mut self, argument: &'a Argument) -> Result<PlannedArgument, PlanError> {
        match argument {
            Argument::CommaJoined(parts) => {
                let parts = parts.iter().map(|part| self.part(part));
                parts.collect::<Result<_, _>>().map(PlannedArgument)
            }
            one => self.part(one).map(PlannedArgument::of),
        }
    }

    fn part(&mut self, argument: &'a Argument) -> Result<Part, PlanError> {
        Ok(Part::Text(match argument {
            Argument::Literal(text) => text.clone(),
            Argument::Volume(volume) => self.mounted(*volume)?.1.as_str().to_owned(),
            Argument::VolumePath(path) => {
                self.mounted(path.volume)?.1.join_as_written(&path.filename).map_err(|source| {
                    PlanError::Path { what: format!("the VolumePath {}", path.filename), source }
                })?
            }
            Argument::Fifo(fifo) => self.fifo(fifo)?.1.as_str().to_owned(),
            Argument::Connect(connect) => self.connect(connect)?,
            Argument::Download(download) => return self.download(download),
            Argument::GirderApiUrl => return Ok(Part::GirderApiUrl),
            Argument::GirderToken => return Ok(Part::GirderToken),
            Argument::CommaJoined(_) => return Err(PlanError::Bug("a list in a list of paths")),
        }))
    }

    /// Plans a transfer, and gives the path of the FIFO in it: the sink's, as Girder Worker does,
    /// when both ends are one.
    fn connect(&mut self, connect: &Connect) -> Result<String, PlanError> {
        let mut path = None;
        let transfer = connect.try_map_fifo(|fifo| {
            let (at, inside) = self.fifo(fifo)?;
            path = Some(inside);
            Ok(at)
        })?;
        self.transfers.push(transfer);
        Ok(path.map_or_else(String::new, |path| path.as_str().to_owned()))
    }

    /// Plans a FIFO once, however often it is named, and gives its path in the container.
    fn fifo(&mut self, fifo: &Fifo) -> Result<(FifoRef, ContainerPath), PlanError> {
        let wrong = |source| PlanError::Path { what: format!("the FIFO {}", fifo.name), source };
        let name = RelativePath::new(&fifo.name).map_err(wrong)?;
        let (folder, target) = match &fifo.place {
            FifoPlace::Volume(volume) => {
                let (mount, target) = self.mounted(*volume)?;
                (FifoFolder::Mount(mount), target.join(&name))
            }
            FifoPlace::Paths { container_path, host_path } => {
                let folder = HostPath::new(host_path).map_err(wrong)?;
                let target = ContainerPath::new(container_path).map_err(wrong)?;
                self.refuse_unmounted(fifo, container_path)?;
                (FifoFolder::Host(folder), target.join(&name))
            }
        };
        let planned = PlannedFifo { folder, name, direction: fifo.direction };
        let at = *self
            .fifos_at
            .entry((planned.folder.clone(), planned.name.clone()))
            .or_insert_with(|| {
                self.fifos.push(planned.clone());
                self.fifos.len() - 1
            });
        if self.fifos.get(at) != Some(&planned) {
            return Err(PlanError::FifoBothWays { fifo: fifo.name.clone() });
        }
        Ok((FifoRef { at, name: fifo.name.clone() }, target))
    }

    /// A container that looks where nothing is mounted does not find the FIFO, or writes a file of
    /// its own.
    fn refuse_unmounted(&self, fifo: &Fifo, container_path: &str) -> Result<(), PlanError> {
        let options = self.job.container();
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

    /// The volumes of the host in which the engine has to make the mount points of temporary volumes: what is mounted,
    /// and where.
    fn above_temporary_volumes(&self) -> impl Iterator<Item = (&Bind, &str, &ContainerPath)> {
        let is_temporary = |mount: &Mount| matches!(mount, Mount::Temporary { .. });
        let any = self.mounts.iter().any(is_temporary);
        self.mounts.iter().filter_map(move |mount| match mount {
            Mount::Bind { bind, host_path, target }
                if any && Path::new(TEMPORARY_PREFIX).starts_with(target.as_str()) =>
            {
                Some((bind, host_path.as_str(), target))
            }
            _ => None,
        })
    }

    fn refuse_read_only(&self) -> Result<(), PlanError> {
        match self.above_temporary_volumes().find(|(bind, ..)| bind.is_read_only()) {
            None => Ok(()),
            Some((_, volume, target)) => Err(PlanError::BeneathReadOnly {
                volume: volume.to_owned(),
                target: target.to_string(),
                beneath: TEMPORARY_PREFIX,
            }),
        }
    }

    /// The container's own streams go to ours unless the job takes them elsewhere.
    fn connect_streams(&mut self) {
        for (source, ours) in [
            (Source::ContainerStdOut, Sink::HostStdOut),
            (Source::ContainerStdErr, Sink::HostStdErr),
        ] {
            if !self.transfers.iter().any(|transfer| transfer.source == source) {
                self.transfers.push(Connect::new(source, ours));
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut connected = HashSet::new();
        for transfer in &self.transfers {
            if let Source::Fifo(fifo) = &transfer.source {
                connected.insert(fifo.at);
            }
            if let Sink::Fifo(fifo) = &transfer.sink {
                connected.insert(fifo.at);
            }
        }
        let idle = self.fifos.iter().enumerate().filter(|(at, _)| !connected.contains(at));
        let idle = idle.map(|(_, fifo)| {
            let (name, end) = match fifo.direction {
                Direction::Input => (fifo.name.as_str(), "output"),
                Direction::Output => (fifo.name.as_str(), "input"),
            };
            format!(
                "the FIFO {name} is in no Connect, and a program that opens it waits for ever: make it the \
                 `{end}` of a Connect, or leave it out"
            )
        });
        let above = self.above_temporary_volumes().map(|(_, volume, target)| {
            format!(
                "the engine makes empty folders in {volume} for temporary volumes, which are mounted in \
                 {TEMPORARY_PREFIX}: mount it elsewhere than at {target}, such as at /data"
            )
        });
        let of_keywords = warnings::of_keywords(self.job.container()).map(str::to_owned);
        self.job.warnings().iter().cloned().chain(idle).chain(above).chain(of_keywords).collect()
    }

    /// Where in [`mounts`](Self::mounts) a volume is, and where in the container. The default one is mounted by this.
    pub(crate) fn mounted(
        &mut self,
        volume: VolumeRef,
    ) -> Result<(usize, ContainerPath), PlanError> {
        let at = match (volume.listed(), &self.default_volume) {
            (Some(listed), _) => listed,
            (None, DefaultVolume::At(at)) => *at,
            (None, DefaultVolume::Unused(target)) => {
                let at = self.mounts.len();
                let (host_dir, mode, target) = (None, 0o777, target.clone());
                self.mounts.push(Mount::Temporary { host_dir, mode, access: "rw", target });
                self.default_volume = DefaultVolume::At(at);
                at
            }
        };
        let mount = self.mounts.get(at);
        let mount = mount.ok_or(PlanError::Bug("a volume that the job does not have"))?;
        Ok((at, mount.target().clone()))
    }
}

/// The volumes that a job lists.
fn mounts(job: &JobSpec, name: &mut impl FnMut() -> String) -> Result<Vec<Mount>, PlanError> {
    let mut mount = |volume: &Volume| match volume {
        Volume::Bind(mount) => bind(mount),
        Volume::Temporary(volume) => Ok(Mount::Temporary {
            host_dir: volume.host_dir.clone(),
            mode: volume.mode,
            access: "rw",
            target: temporary_target(name)?,
        }),
    };
    let mounts = job.volumes().iter().map(&mut mount).collect::<Result<Vec<_>, _>>()?;
    let mut targets = HashSet::new();
    for mount in &mounts {
        let target = mount.target().as_str().trim_end_matches('/');
        if !targets.insert(target) {
            return Err(PlanError::MountedTwice { target: target.to_owned() });
        }
    }
    Ok(mounts)
}

/// Where a temporary volume is mounted.
pub(super) fn temporary_target(
    name: &mut impl FnMut() -> String,
) -> Result<ContainerPath, PlanError> {
    let target = ContainerPath::new(format!("{TEMPORARY_PREFIX}/{}", name()));
    target.map_err(|source| PlanError::Path { what: "a temporary volume".to_owned(), source })
}

fn bind(mount: &BindMount) -> Result<Mount, PlanError> {
    let wrong =
        |source| PlanError::Path { what: format!("the volume {}", mount.host_path), source };
    let target = ContainerPath::new(&mount.container_path).map_err(wrong)?;
    let bind = Bind::new(&mount.host_path, target.clone(), &mount.mode).map_err(wrong)?;
    Ok(Mount::Bind { bind, host_path: mount.host_path.clone(), target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Resolved;
    use crate::spec::RunOptions;

    fn plan(members: &str) -> Result<Plan, PlanError> {
        let job = JobSpec::from_json(&format!(r#"{{"image": "busybox", {members}}}"#)).unwrap();
        let mut next = 0;
        Plan::new(&job, || {
            next += 1;
            format!("t{next}")
        })
    }

    const FILE_INTO_IN: &str = r#"{"type": "Connect",
        "input": {"type": "GirderFileIdToStream", "id": "5f"},
        "output": {"type": "NamedInputPipe", "name": "in"}}"#;

    #[test]
    fn every_argument_becomes_what_the_container_sees() {
        let plan = plan(&format!(
            r#""volumes": ["/data:/mnt/data/", {{"type": "TemporaryVolume", "name": "t"}}],
               "container_args": [
                 "-n",
                 {{"type": "TemporaryVolume.default"}},
                 {{"type": "BindMountVolume", "host_path": "/data", "container_path": "/mnt/data/"}},
                 {{"type": "VolumePath", "filename": "a//b/", "volume": "t"}},
                 {{"type": "VolumePath", "filename": "c", "volume":
                   {{"type": "BindMountVolume", "host_path": "/data", "container_path": "/mnt/data/"}}}},
                 {{"type": "NamedInputPipe", "name": "idle"}},
                 {FILE_INTO_IN},
                 {{"type": "Connect", "input": {{"type": "ContainerStdOut"}},
                   "output": {{"type": "HostFile", "path": "/y"}}}}]"#
        ))
        .unwrap();
        assert_eq!(
            plan.arguments(),
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
    fn paths_that_are_joined_are_one_argument_also_when_girder_names_them() {
        let plan = plan(
            r#""container_args": [{"type": "CommaJoinedVolumes", "volumes": [
                 {"type": "GirderFileIdToVolume", "id": "5a", "filename": "a"},
                 {"type": "VolumePath", "filename": "b"},
                 {"type": "GirderFileIdToVolume", "id": "5c"}]},
               {"type": "GirderFileIdToVolume", "id": "5c"}]"#,
        )
        .unwrap();
        let named = "/mnt/girder_worker/t1/5c/<name in Girder>";
        let told = format!("/mnt/girder_worker/t1/a,/mnt/girder_worker/t1/b,{named}");
        assert_eq!(plan.arguments(), [told.as_str(), named]);
        assert_eq!(plan.downloads.len(), 2);
        let paths = [(1, "/mnt/girder_worker/t1/5c/c.svs".to_owned())].into();
        let resolved = Resolved { paths, ..Resolved::default() };
        let joined =
            "/mnt/girder_worker/t1/a,/mnt/girder_worker/t1/b,/mnt/girder_worker/t1/5c/c.svs";
        assert_eq!(plan.resolve(&resolved), [joined, "/mnt/girder_worker/t1/5c/c.svs"]);
    }

    #[test]
    fn the_containers_streams_go_to_ours_unless_the_job_takes_them() {
        assert_eq!(
            plan(r#""pull_image": true"#).unwrap().transfers(),
            ["container:stdout → host:stdout", "container:stderr → host:stderr"]
        );
        let taken = r#""stream_connectors": [{"type": "Connect",
            "input": {"type": "ContainerStdOut"}, "output": {"type": "HostFile", "path": "/out"}}]"#;
        assert_eq!(
            plan(taken).unwrap().transfers(),
            ["container:stdout → file:/out", "container:stderr → host:stderr"]
        );
    }

    #[test]
    fn a_fifo_that_is_named_twice_is_made_once() {
        let plan = plan(&format!(
            r#""container_args": [{{"type": "NamedInputPipe", "name": "in"}}],
               "stream_connectors": [{FILE_INTO_IN}]"#
        ))
        .unwrap();
        assert_eq!(plan.fifos.len(), 1);
        assert!(plan.warnings.is_empty());
    }

    #[test]
    fn a_fifo_has_one_direction() {
        let error = plan(&format!(
            r#""container_args": [{{"type": "NamedOutputPipe", "name": "in"}}],
               "stream_connectors": [{FILE_INTO_IN}]"#
        ));
        assert!(matches!(error, Err(PlanError::FifoBothWays { fifo }) if fifo == "in"));
    }

    #[test]
    fn a_place_is_mounted_once_also_when_the_workers_options_mount_there() {
        let mut job =
            JobSpec::from_json(r#"{"image": "busybox", "volumes": ["/a:/mnt"]}"#).unwrap();
        let options = RunOptions::from_json(r#"{"volumes": ["/b:/mnt/"]}"#).unwrap();
        options.merge_into(&mut job);
        let error = Plan::new(&job, || "t".to_owned());
        assert!(matches!(error, Err(PlanError::MountedTwice { target }) if target == "/mnt"));
    }

    #[test]
    fn the_default_volume_is_mounted_if_anything_names_it() {
        let bound =
            |mode: &str, more: &str| plan(&format!(r#""volumes": ["/data:/mnt:{mode}"], {more}"#));
        let unused = bound("ro", r#""container_args": ["/mnt/x"]"#).unwrap();
        assert_eq!((unused.mounts.len(), unused.warnings.len()), (1, 0));
        for more in [
            r#""container_args": [{"type": "TemporaryVolume.default"}]"#.to_owned(),
            r#""container_args": [{"type": "VolumePath", "filename": "a"}]"#.to_owned(),
            r#""container_args": [{"type": "GirderFileIdToVolume", "id": "5a"}]"#.to_owned(),
            format!(r#""stream_connectors": [{FILE_INTO_IN}]"#),
            r#""girder_result_hooks": [{"type": "GirderUploadVolumePathToItem", "item_id": "5f",
                "volumepath": {"type": "VolumePath", "filename": "a"}}]"#
                .to_owned(),
        ] {
            let used = bound("rw", &more).unwrap();
            assert_eq!(used.mounts.len(), 2, "{more}");
            assert!(used.warnings[0].contains("empty folders in /data"), "{:?}", used.warnings);
            let error = bound("ro", &more).unwrap_err();
            assert!(matches!(error, PlanError::BeneathReadOnly { .. }), "{more}: {error}");
        }
        assert_eq!(plan(r#""container_args": []"#).unwrap().mounts, []);
    }

    #[test]
    fn a_plan_shows_no_secret() {
        let plan = plan(
            r#""stream_connectors": [{"type": "Connect",
                "input": {"type": "UrlToStream", "url": "http://host:81/p?token=hidden",
                          "headers": {"Girder-Token": "hidden"}},
                "output": {"type": "NamedInputPipe", "name": "in"}}]"#,
        )
        .unwrap();
        assert_eq!(plan.transfers()[0], "url:host/p → fifo:in");
        assert!(!format!("{plan:?}").contains("hidden"));
    }
}
