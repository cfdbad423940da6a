//! What a container used, by its control group: it can be read until the engine removes the group, some milliseconds
//! after the last process of it has ended.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// What a container used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The most memory at a time, in bytes: its processes', and the files that the kernel kept for them.
    pub memory_peak: u64,
    /// The time that its processes had the processor.
    pub cpu: Duration,
}

/// The control group of a container of this machine.
#[derive(Debug)]
pub struct Group {
    memory: PathBuf,
    cpu: PathBuf,
    is_unified: bool,
}

impl Group {
    /// Finds it where Docker puts it, with either driver. None: it is elsewhere, or on another machine.
    /// `root` is where control groups are mounted (`/sys/fs/cgroup`), `container` the whole id.
    pub fn find(root: &Path, container: &str) -> Option<Self> {
        let is_unified = root.join("cgroup.controllers").exists();
        let names =
            [format!("docker/{container}"), format!("system.slice/docker-{container}.scope")];
        names.into_iter().find_map(|name| {
            let [memory, cpu] = match is_unified {
                true => [root.join(&name), root.join(&name)],
                false => [root.join("memory").join(&name), root.join("cpuacct").join(&name)],
            };
            memory.is_dir().then_some(Self { memory, cpu, is_unified })
        })
    }

    /// One of its processes. None: all of them have ended.
    ///
    /// # Errors
    /// The group is gone; it has others below it, so that nobody knows from here whether they have ended.
    pub fn process(&self) -> io::Result<Option<Pid>> {
        let processes = fs::read_to_string(self.memory.join("cgroup.procs"))?;
        let first = processes.lines().filter_map(|line| line.parse().ok()).min();
        if first.is_none() && self.is_unified {
            let events = fs::read_to_string(self.memory.join("cgroup.events"))?;
            if field(&events, "populated") != Some(0) {
                return Err(io::Error::other("its processes are in groups below it"));
            }
        }
        Ok(first.and_then(Pid::from_raw))
    }

    /// What its processes used until now. None: the group is gone, or the kernel does not say.
    pub fn used(&self) -> Option<Used> {
        let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).ok();
        let (memory_peak, cpu) = match self.is_unified {
            true => {
                let micros = field(&read(&self.cpu, "cpu.stat")?, "usage_usec")?;
                (read(&self.memory, "memory.peak")?, Duration::from_micros(micros))
            }
            false => {
                let nanos = read(&self.cpu, "cpuacct.usage")?.trim().parse().ok()?;
                (read(&self.memory, "memory.max_usage_in_bytes")?, Duration::from_nanos(nanos))
            }
        };
        Some(Used { memory_peak: memory_peak.trim().parse().ok()?, cpu })
    }
}

/// A descriptor that is readable when the process has ended, and with it all of its threads. Of an init it is
/// readable when all processes of its namespace have ended.
///
/// # Errors
/// `ESRCH`: it has ended, and was waited for. `ENOSYS`: the kernel is older than 5.3.
pub fn end_of(process: Pid) -> io::Result<OwnedFd> {
    Ok(pidfd_open(process, PidfdFlags::empty())?)
}

/// The number behind a name, of a file with one of each a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Files of control groups as the kernel has them.
    fn groups(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::with_prefix("gantline-test-").unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_first_version_has_a_folder_for_each_controller() {
        let root = groups(&[
            ("memory/docker/0123/cgroup.procs", ""),
            ("memory/docker/0123/memory.max_usage_in_bytes", "67108864\n"),
            ("cpuacct/docker/0123/cpuacct.usage", "1500000000\n"),
        ]);
        let group = Group::find(root.path(), "0123").unwrap();
        assert_eq!(group.process().unwrap(), None);
        let used = Used { memory_peak: 64 << 20, cpu: Duration::from_millis(1500) };
        assert_eq!(group.used(), Some(used));
        assert!(Group::find(root.path(), "4567").is_none());
    }

    #[test]
    fn the_second_version_has_one_folder() {
        let scope = "system.slice/docker-0123.scope";
        let file = |name: &str| format!("{scope}/{name}");
        let [procs, events, peak, cpu] =
            ["cgroup.procs", "cgroup.events", "memory.peak", "cpu.stat"].map(file);
        let root = groups(&[
            ("cgroup.controllers", "cpu memory\n"),
            (&procs, "812\n77\n"),
            (&events, "populated 0\nfrozen 0\n"),
            (&peak, "67108864\n"),
            (&cpu, "usage_usec 1500000\nuser_usec 1000000\n"),
        ]);
        let group = Group::find(root.path(), "0123").unwrap();
        assert_eq!(group.process().unwrap(), Pid::from_raw(77));
        let used = Used { memory_peak: 64 << 20, cpu: Duration::from_millis(1500) };
        assert_eq!(group.used(), Some(used));

        fs::write(root.path().join(&procs), "").unwrap();
        assert_eq!(group.process().unwrap(), None);
        fs::write(root.path().join(&events), "populated 1\nfrozen 0\n").unwrap();
        assert!(group.process().is_err(), "processes are left below");
        // Kernels before 5.19.
        fs::remove_file(root.path().join(&peak)).unwrap();
        assert_eq!(group.used(), None);
    }
}
