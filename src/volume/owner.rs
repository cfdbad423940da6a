//! Whose temporary things are, and whether anybody is there to remove them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The process that temporary things belong to. The time at which it started tells it from a
/// later one with the same number, the namespace from one that counts its processes otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: u32,
    /// Clock ticks since the machine was started: field 22 of `/proc/<pid>/stat`, proc(5).
    started: u64,
    /// The inode of its pid namespace, see pid_namespaces(7).
    namespace: u64,
}

impl Owner {
    /// This process.
    pub(crate) fn this_process() -> Self {
        let pid = std::process::id();
        let started = match State::of(pid) {
            State::Lives { started } => started,
            State::Gone | State::Hidden => 0,
        };
        Self { pid, started, namespace: this_namespace() }
    }

    /// Reads what [`to_parts`](Self::to_parts) wrote.
    pub(crate) fn from_parts(pid: &str, since: &str) -> Option<Self> {
        let (started, namespace) = since.split_once('.')?;
        Some(Self {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
            namespace: namespace.parse().ok()?,
        })
    }

    /// The process, and since when and where it has been there.
    pub(crate) fn to_parts(&self) -> (String, String) {
        (self.pid.to_string(), format!("{}.{}", self.started, self.namespace))
    }

    /// Whether that very process is gone. Of one that we cannot see we do not say so.
    pub(crate) fn is_gone(&self) -> bool {
        if self.namespace != this_namespace() {
            return false;
        }
        match State::of(self.pid) {
            State::Gone => true,
            State::Lives { started } => started != self.started,
            State::Hidden => false,
        }
    }

    /// An owner that has been gone for long.
    #[cfg(test)]
    pub(crate) fn gone() -> Self {
        Self { started: 1, ..Self::this_process() }
    }
}

enum State {
    Lives {
        started: u64,
    },
    Gone,
    /// There, but /proc does not show it to us (`hidepid`), or is not mounted.
    Hidden,
}

impl State {
    fn of(pid: u32) -> Self {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            let exists = i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), None));
            return match exists {
                Ok(Err(Errno::ESRCH)) | Err(_) => Self::Gone,
                Ok(_) => Self::Hidden,
            };
        };
        // The second field is the command in parentheses, and may hold anything.
        let mut fields = stat.rsplit_once(')').unwrap_or_default().1.split_ascii_whitespace();
        match (fields.next(), fields.nth(18).and_then(|field| field.parse().ok())) {
            // One that has ended and was not waited for is gone as well.
            (Some("Z" | "X"), _) => Self::Gone,
            (_, Some(started)) => Self::Lives { started },
            (_, None) => Self::Hidden,
        }
    }
}

/// 0 where it cannot be told; then all processes that we see are taken to be of one.
fn this_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    use super::*;

    #[test]
    fn a_process_is_gone_when_it_has_ended_waited_for_or_not() {
        assert!(!Owner::this_process().is_gone());
        assert!(Owner::gone().is_gone());
        let mut child = Command::new("true").spawn().unwrap();
        let owner = Owner { pid: child.id(), ..Owner::this_process() };
        let pid = Pid::from_raw(child.id().cast_signed());
        // Waits for its end, and leaves it to be waited for.
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
        assert!(owner.is_gone());
        child.wait().unwrap();
        assert!(owner.is_gone());
    }

    #[test]
    fn a_process_of_another_namespace_is_not_said_to_be_gone() {
        let elsewhere = Owner { namespace: 1, ..Owner::gone() };
        assert!(!elsewhere.is_gone());
    }

    #[test]
    fn an_owner_is_read_as_it_was_written() {
        let owner = Owner::this_process();
        let (pid, since) = owner.to_parts();
        assert_eq!(Owner::from_parts(&pid, &since), Some(owner));
        assert_eq!(Owner::from_parts("1", "2"), None);
    }
}
