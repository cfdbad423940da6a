//! The volumes of a job, as they are named: in `volumes` first, then wherever a transform holds
//! one.

use std::collections::HashMap;
use std::path::PathBuf;

use super::transform::{BIND_MOUNT_VOLUME, TEMPORARY_VOLUME_DEFAULT};
use crate::spec::error::{Hint, Problem};
use crate::spec::json::fields::Fields;
use crate::spec::json::{Fault, Node, Value, rule, shortened, too_many};
use crate::spec::limits::MAX_VOLUMES;
use crate::spec::volume::{BindMount, TemporaryVolume, Volume, VolumeRef};

#[derive(Default)]
pub(in crate::spec) struct Volumes {
    listed: Vec<Listed>,
    /// Places in `listed`, by the names of temporary volumes.
    names: HashMap<String, usize>,
    /// Places in `listed`, by cleaned paths in the container.
    mount_points: HashMap<String, usize>,
}

enum Listed {
    Bind(BindMount),
    Temporary(Temporary),
}

/// A temporary volume as far as it has been described yet.
#[derive(Default)]
struct Temporary {
    name: Option<String>,
    host_dir: Option<PathBuf>,
    mode: Option<u32>,
}

impl Volumes {
    /// Takes the document's `volumes`, in any of its three forms.
    pub(in crate::spec) fn declare(&mut self, node: &Node) -> Result<(), Fault> {
        for item in node.items() {
            match item.as_str() {
                Some(text) => self.bind(docker_string(text), item.at)?,
                None => self.volume(item)?,
            };
        }
        if matches!(node.value, Value::Object(_)) {
            for (host_path, value) in Fields::of(node).iter() {
                self.bind(docker_mapping(host_path, value)?, value.at)?;
            }
        }
        Ok(())
    }

    /// Takes volumes of which a string without a mode is mounted read-only.
    pub(in crate::spec) fn declare_read_only(&mut self, node: &Node) -> Result<(), Fault> {
        for item in node.items() {
            let text = item.as_str().unwrap_or_default();
            let mut bind = docker_string(text);
            if text.split(':').nth(2).is_none() {
                bind.mode = "ro".to_owned();
            }
            self.bind(bind, item.at)?;
        }
        if matches!(node.value, Value::Object(_)) { self.declare(node) } else { Ok(()) }
    }

    /// The volume that a transform means: by an object, by a name, or the default one.
    pub(in crate::spec) fn referenced(&mut self, node: Option<&Node>) -> Result<VolumeRef, Fault> {
        let Some(node) = node else { return Ok(VolumeRef::Default) };
        let Some(name) = node.as_str() else { return self.volume(node) };
        let unknown = || {
            let mut known: Vec<&str> = self.names.keys().map(String::as_str).collect();
            known.sort_unstable();
            known.truncate(20);
            let hint = Hint::new(name, known);
            Fault::new(node.at, Problem::UnknownVolume { name: shortened(name), hint })
        };
        self.names.get(name).map(|index| VolumeRef::Listed(*index)).ok_or_else(unknown)
    }

    /// The volume that an object says, which is one of the job from now on.
    pub(in crate::spec) fn volume(&mut self, node: &Node) -> Result<VolumeRef, Fault> {
        let fields = Fields::of(node);
        let kind = fields.type_name();
        if kind == TEMPORARY_VOLUME_DEFAULT.name {
            Ok(VolumeRef::Default)
        } else if kind == BIND_MOUNT_VOLUME.name {
            let bind = BindMount {
                host_path: fields.text("host_path")?.to_owned(),
                container_path: fields.text("container_path")?.to_owned(),
                mode: mode_or_rw(fields.optional_text("mode")),
            };
            self.bind(bind, node.at)
        } else {
            let mode = fields.get("mode").and_then(Node::as_whole);
            let mode = mode.and_then(|mode| u32::try_from(mode).ok());
            let temporary = Temporary {
                name: fields.optional_text("name").map(str::to_owned),
                host_dir: fields.optional_text("host_dir").map(PathBuf::from),
                mode,
            };
            self.temporary(temporary, node.at)
        }
    }

    /// Refuses an engine's volume for `what`, which needs a folder of the host.
    pub(in crate::spec) fn on_host(
        &self,
        volume: VolumeRef,
        at: usize,
        what: String,
    ) -> Result<(), Fault> {
        match self.host_path(volume) {
            Some(name) if !name.starts_with('/') => {
                let volume = shortened(name);
                Err(Fault::new(at, Problem::NotOnHost { what, volume }))
            }
            _ => Ok(()),
        }
    }

    /// What docker mounts at `volume`, if it is known before the run: a folder of the host, or the
    /// name of an engine's volume.
    pub(in crate::spec) fn host_path(&self, volume: VolumeRef) -> Option<&str> {
        match volume {
            VolumeRef::Listed(index) => match self.listed.get(index)? {
                Listed::Bind(bind) => Some(&bind.host_path),
                Listed::Temporary(_) => None,
            },
            VolumeRef::Default => None,
        }
    }

    pub(in crate::spec) fn into_list(self) -> Vec<Volume> {
        let volume = |listed| match listed {
            Listed::Bind(bind) => Volume::Bind(bind),
            Listed::Temporary(Temporary { name, host_dir, mode }) => {
                let mode = mode.unwrap_or(TemporaryVolume::DEFAULT_MODE);
                Volume::Temporary(TemporaryVolume { name, host_dir, mode })
            }
        };
        self.listed.into_iter().map(volume).collect()
    }

    fn bind(&mut self, bind: BindMount, at: usize) -> Result<VolumeRef, Fault> {
        check_mode(&bind).map_err(|problem| Fault::new(at, problem))?;
        let mount_point = cleaned(&bind.container_path);
        if let Some(&index) = self.mount_points.get(&mount_point) {
            let same = matches!(self.listed.get(index), Some(Listed::Bind(other))
                if other.host_path == bind.host_path && other.mode == bind.mode);
            if same {
                return Ok(VolumeRef::Listed(index));
            }
            let problem = Problem::MountTaken(shortened(&bind.container_path));
            return Err(Fault::new(at, problem));
        }
        let index = self.push(Listed::Bind(bind), at)?;
        self.mount_points.insert(mount_point, index);
        Ok(VolumeRef::Listed(index))
    }

    fn temporary(&mut self, new: Temporary, at: usize) -> Result<VolumeRef, Fault> {
        let known = new.name.as_ref().and_then(|name| self.names.get(name).copied());
        let Some(index) = known else {
            let name = new.name.clone();
            let index = self.push(Listed::Temporary(new), at)?;
            if let Some(name) = name {
                self.names.insert(name, index);
            }
            return Ok(VolumeRef::Listed(index));
        };
        if let Some(Listed::Temporary(old)) = self.listed.get_mut(index) {
            let contradiction = if differ(&old.host_dir, &new.host_dir) {
                Some("host_dir")
            } else if differ(&old.mode, &new.mode) {
                Some("mode")
            } else {
                None
            };
            if let Some(member) = contradiction {
                let name = shortened(&new.name.unwrap_or_default());
                return Err(Fault::new(at, Problem::Contradiction { name, member }));
            }
            old.host_dir = old.host_dir.take().or(new.host_dir);
            old.mode = old.mode.or(new.mode);
        }
        Ok(VolumeRef::Listed(index))
    }

    fn push(&mut self, volume: Listed, at: usize) -> Result<usize, Fault> {
        let index = self.listed.len();
        if index == MAX_VOLUMES {
            return Err(Fault::new(at, too_many(index + 1, "volumes", MAX_VOLUMES)));
        }
        self.listed.push(volume);
        Ok(index)
    }
}

/// A path without empty and `.` components: as the engine compares mount points.
pub(in crate::spec) fn cleaned(path: &str) -> String {
    let mut clean = String::with_capacity(path.len());
    for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
        clean.push('/');
        clean.push_str(name);
    }
    clean
}

fn differ<T: PartialEq>(old: &Option<T>, new: &Option<T>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if old != new)
}

/// Each of these options is for one kind of volume; the engine refuses it for the other.
fn check_mode(bind: &BindMount) -> Result<(), Problem> {
    let (only_for, wrong): (_, fn(&str) -> bool) = match bind.is_named_volume() {
        true => ("paths of the host", rule::is_propagation),
        false => ("the engine's volumes", |option| option == "nocopy"),
    };
    match bind.mode.split(',').find(|option| wrong(option)) {
        Some(option) => Err(Problem::ModeMismatch { option: option.to_owned(), only_for }),
        None => Ok(()),
    }
}

fn mode_or_rw(mode: Option<&str>) -> String {
    mode.filter(|mode| !mode.is_empty()).unwrap_or("rw").to_owned()
}

/// docker-py's string; the rule has seen that it has two or three parts.
fn docker_string(text: &str) -> BindMount {
    let mut parts = text.split(':');
    let mut part = || parts.next().unwrap_or_default();
    BindMount {
        host_path: part().to_owned(),
        container_path: part().to_owned(),
        mode: mode_or_rw(parts.next()),
    }
}

/// One entry of docker-py's mapping: a path in the container, or an object with it.
fn docker_mapping(host_path: &str, node: &Node) -> Result<BindMount, Fault> {
    let host_path = host_path.to_owned();
    if let Some(path) = node.as_str() {
        let container_path = path.to_owned();
        return Ok(BindMount { host_path, container_path, mode: "rw".to_owned() });
    }
    let fields = Fields::of(node);
    let container_path = fields.text("bind")?.to_owned();
    let mut mode = match fields.get("ro").and_then(Node::as_bool) {
        Some(true) => "ro".to_owned(),
        Some(false) => "rw".to_owned(),
        None => mode_or_rw(fields.optional_text("mode")),
    };
    if let Some(propagation) = fields.optional_text("propagation") {
        mode = format!("{mode},{propagation}");
        if !rule::is_mode(&mode) {
            let problem = Problem::Exclusive { member: "propagation", other: "mode" };
            return Err(Fault::new(node.at, problem));
        }
    }
    Ok(BindMount { host_path, container_path, mode })
}
