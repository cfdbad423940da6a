//! The first process of a container, whose end is everybody's.
//!
//! When the first process of a PID namespace ends, the kernel kills all others in it, the guard too (pid_namespaces(7)).
//! So a program that has a guard is never that process: it is begun anew below it. What stays in front holds
//! nothing and knows nothing. It hands on signals, takes notice of orphans, and ends as the program
//! does, but not before its guards.

use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
#[cfg(all(feature = "command", feature = "worker"))]
use nix::unistd::getppid;

use super::NAME;

/// In a container's first process: begins this binary anew, with its arguments, and waits until that has ended. Gives
/// its exit code. In any other process, and in the one that was begun: none.
///
/// To be called before there are threads.
///
/// # Errors
/// No process (`EAGAIN`, `ENOMEM`), no /proc.
pub(crate) fn stand_in_front() -> io::Result<Option<u8>> {
    if process::id() != FIRST {
        return Ok(None);
    }
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let program = Command::new("/proc/self/exe").arg0(name).args(words).spawn()?;
    // A signal is for the program. Before it is there it is lost: the kernel drops what the first process has no
    // handler for.
    SigSet::all().thread_block()?;
    let signals = SignalFd::new(&SigSet::all())?;
    let ended = wait_for(Pid::from_raw(program.id().cast_signed()), &signals);
    while is_any_guard_at_work() {
        let _ = signals.read_signal();
        while next_ended().is_some() {}
    }
    let signal = || ended.signal().and_then(|signal| u8::try_from(128 + signal).ok());
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    Ok(Some(code.or_else(signal).unwrap_or(u8::MAX)))
}

const FIRST: u32 = 1;

/// The name of the first process, if this one is its child and it is known to end when its child has, whatever else
/// runs: a guard has no time then.
#[cfg(all(feature = "command", feature = "worker"))]
pub(crate) fn ends_with_this_one() -> Option<String> {
    let name = fs::read_to_string("/proc/1/comm").ok()?;
    let name = name.trim_end();
    let is_so = getppid() == Pid::from_raw(1) && ENDS_WITH_ITS_CHILD.contains(&name);
    is_so.then(|| name.to_owned())
}

/// `docker run --init` has docker-init, which is tini; podman has catatonit.
#[cfg(all(feature = "command", feature = "worker"))]
const ENDS_WITH_ITS_CHILD: [&str; 4] = ["docker-init", "tini", "catatonit", "dumb-init"];

/// Waits for the program's end; hands on what is sent to us.
fn wait_for(program: Pid, signals: &SignalFd) -> ExitStatus {
    loop {
        while let Some((ended, status)) = next_ended() {
            if ended == program {
                return status;
            }
        }
        let Ok(Some(sent)) = signals.read_signal() else { continue };
        // A terminal's come to the program as well, which is in the same process group.
        if sent.ssi_code == libc::SI_KERNEL {
            continue;
        }
        match Signal::try_from(sent.ssi_signo.cast_signed()) {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            // It has just ended, or is another user's.
            Ok(signal) => {
                let _ = kill(program, signal);
            }
        }
    }
}

/// A child that has ended, the program or an orphan.
fn next_ended() -> Option<(Pid, ExitStatus)> {
    loop {
        return match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(child, code)) => Some((child, ExitStatus::from_raw(code << 8))),
            Ok(WaitStatus::Signaled(child, signal, _)) => {
                Some((child, ExitStatus::from_raw(signal as i32)))
            }
            Err(Errno::EINTR) => continue,
            _ => None,
        };
    }
}

/// Whether a guard of the program is left: its parent is gone, and we are that now.
fn is_any_guard_at_work() -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.map(|process| process.path()).any(|process| is_guard_of_ours(&process))
}

fn is_guard_of_ours(process: &Path) -> bool {
    let words = fs::read(process.join("cmdline")).unwrap_or_default();
    // proc(5): the parent is the second word behind the name, which is in brackets.
    let state = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let parent = state.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
    words.split(|byte| *byte == 0).next() == Some(NAME.as_bytes()) && parent == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_first_process_stands_in_front() {
        assert_eq!(stand_in_front().unwrap(), None);
    }

    #[test]
    fn only_what_is_called_a_guard_and_has_the_first_process_as_its_parent_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let is_guard = |words: &str, stat: &str| {
            fs::write(folder.path().join("cmdline"), words).unwrap();
            fs::write(folder.path().join("stat"), stat).unwrap();
            is_guard_of_ours(folder.path())
        };
        assert!(is_guard("gantline-guard\0", "7 (exe) S 1 7 7 0"));
        assert!(is_guard("gantline-guard\0", "7 (a) b) S 1 7 7 0"));
        assert!(!is_guard("gantline-guard\0", "7 (exe) S 12 7 7 0"));
        assert!(!is_guard("gantline\0gantline-guard\0", "7 (exe) S 1 7 7 0"));
        assert!(!is_guard("", "7 (exe) Z 1 7 7 0"));
        assert!(!is_guard_of_ours(&folder.path().join("gone")));
    }
}
