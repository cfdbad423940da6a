//! A container's processes, by their control groups: for when its engine is not there.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills what runs in a container of this machine. `container` is its whole id, which every engine puts
/// into the path of its control group. Gives how many processes that were; a process that is killed
/// makes no step more in its program, although it may take a while to go.
///
/// # Errors
/// `EPERM`: they are somebody else's.
pub fn kill_container(container: &str) -> io::Result<usize> {
    let mut killed = 0;
    // Again for those that were forked meanwhile.
    for _ in 0..2 {
        for process in processes(container)? {
            match kill(process, Signal::SIGKILL) {
                Ok(()) => killed += 1,
                Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    Ok(killed)
}

fn processes(container: &str) -> io::Result<Vec<Pid>> {
    let number = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let is_its = |process: &i32| {
        fs::read_to_string(format!("/proc/{process}/cgroup"))
            .is_ok_and(|groups| groups.lines().any(|group| is_group_of(group, container)))
    };
    Ok(fs::read_dir("/proc")?.filter_map(number).filter(is_its).map(Pid::from_raw).collect())
}

/// Whether a line of /proc/PID/cgroup is a container's. The group of podman's monitor, which is no
/// part of the container, has the id in its name as well.
fn is_group_of(line: &str, container: &str) -> bool {
    let path = line.splitn(3, ':').nth(2).unwrap_or_default();
    path.split('/').any(|part| part.contains(container) && !part.contains("conmon"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_group_is_found_in_each_engines_layout() {
        for line in [
            "4:memory:/docker/0123456789abcdef",
            "0::/docker/0123456789abcdef/inner",
            "0::/system.slice/docker-0123456789abcdef.scope",
            "0::/machine.slice/libpod-0123456789abcdef.scope/container",
        ] {
            assert!(is_group_of(line, "0123456789abcdef"), "{line}");
        }
        for line in [
            "0::/machine.slice/libpod-conmon-0123456789abcdef.scope",
            "0::/system.slice/docker.service",
            "1:name=0123456789abcdef:/",
            "",
        ] {
            assert!(!is_group_of(line, "0123456789abcdef"), "{line}");
        }
    }

    #[test]
    fn nothing_is_killed_of_a_container_that_is_not_there() {
        assert_eq!(kill_container(&"ab".repeat(32)).unwrap(), 0);
    }
}
