//! The volumes of a job, as they are named: in `volumes` first, then wherever a transform holds
//! one.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::spec::error::{Hint, Problem};
use crate::spec::json::{Fault, rule, shortened, too_many};
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
pub(super) struct Temporary {
    pub(super) name: Option<String>,
    pub(super) host_dir: Option<PathBuf>,
    pub(super) mode: Option<u32>,
}

impl Volumes {
    /// The temporary volume of a name.
    pub(super) fn named(&self, name: &str, at: usize) -> Result<VolumeRef, Fault> {
        let unknown = || {
            let mut known: Vec<&str> = self.names.keys().map(String::as_str).collect();
            known.sort_unstable();
            known.truncate(20);
            let hint = Hint::new(name, known);
            Fault::new(at, Problem::UnknownVolume { name: shortened(name), hint })
        };
        self.names.get(name).map(|index| VolumeRef::at(*index)).ok_or_else(unknown)
    }

    /// Refuses an engine's volume for `what`, which needs a folder of the host.
    pub(super) fn on_host(
        &self,
        volume: VolumeRef,
        at: usize,
        what: impl FnOnce() -> String,
    ) -> Result<(), Fault> {
        match self.host_path(volume) {
            Some(name) if !name.starts_with('/') => {
                let (what, volume) = (what(), shortened(name));
                Err(Fault::new(at, Problem::NotOnHost { what, volume }))
            }
            _ => Ok(()),
        }
    }

    /// What docker mounts at `volume`, if it is known before the run: a folder of the host, or the
    /// name of an engine's volume.
    pub(in crate::spec) fn host_path(&self, volume: VolumeRef) -> Option<&str> {
        match self.listed.get(volume.listed()?)? {
            Listed::Bind(bind) => Some(&bind.host_path),
            Listed::Temporary(_) => None,
        }
    }

    /// What a temporary volume is called, if it has a name.
    pub(in crate::spec) fn name_of(&self, volume: VolumeRef) -> Option<&str> {
        match self.listed.get(volume.listed()?)? {
            Listed::Temporary(temporary) => temporary.name.as_deref(),
            Listed::Bind(_) => None,
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

    /// Takes a bind mount; the same twice is one.
    pub(in crate::spec) fn bind(&mut self, bind: BindMount, at: usize) -> Result<VolumeRef, Fault> {
        check_mode(&bind).map_err(|problem| Fault::new(at, problem))?;
        let mount_point = cleaned(&bind.container_path);
        if let Some(&index) = self.mount_points.get(&mount_point) {
            let same = matches!(self.listed.get(index), Some(Listed::Bind(other))
                if other.host_path == bind.host_path && other.mode == bind.mode);
            if same {
                return Ok(VolumeRef::at(index));
            }
            let problem = Problem::MountTaken(shortened(&bind.container_path));
            return Err(Fault::new(at, problem));
        }
        let index = self.push(Listed::Bind(bind), at)?;
        self.mount_points.insert(mount_point, index);
        Ok(VolumeRef::at(index))
    }

    /// Takes a temporary volume; of one name there is one, whose descriptions add up.
    pub(super) fn temporary(&mut self, new: Temporary, at: usize) -> Result<VolumeRef, Fault> {
        let known = new.name.as_ref().and_then(|name| self.names.get(name).copied());
        let Some(index) = known else {
            let name = new.name.clone();
            let index = self.push(Listed::Temporary(new), at)?;
            if let Some(name) = name {
                self.names.insert(name, index);
            }
            return Ok(VolumeRef::at(index));
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
        Ok(VolumeRef::at(index))
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

/// docker's mode; `rw` if there is none.
pub(in crate::spec) fn mode_or_rw(mode: Option<&str>) -> String {
    mode.filter(|mode| !mode.is_empty()).unwrap_or("rw").to_owned()
}
