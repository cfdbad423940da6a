//! A place in a container's script where it waits for the test.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::command::Running;
use super::job::Job;

/// Shell: says that it is there, and waits to be let through. May be passed more than once.
pub(crate) const GATE: &str = "echo here > /gate/told; read go < /gate/go";

/// Two FIFOs that a job and a test share.
#[derive(Debug)]
pub(crate) struct Gate {
    folder: TempDir,
    told: File,
    go: File,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("gantline-gate-").unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let [told, go] = ["told", "go"].map(|name| {
            let path = folder.path().join(name);
            mkfifo(&path, Mode::empty()).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
            // Both ends: neither this nor the container's open waits.
            OpenOptions::new().read(true).write(true).open(path).unwrap()
        });
        Self { folder, told, go }
    }

    /// Mounts it where [`GATE`] looks for it.
    pub(crate) fn mount(&self, job: Job) -> Job {
        job.mount(self.path(), "/gate")
    }

    /// Its folder on the host.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the run's container is there.
    pub(crate) fn reached(&self, run: Running) -> Running {
        let deadline = Instant::now() + run.deadline();
        let mut asked = [PollFd::new(self.told.as_fd(), PollFlags::POLLIN)];
        // Now and then it is asked whether the run goes on, to show what became of it.
        while poll(&mut asked, PollTimeout::from(200_u16)).unwrap() == 0 {
            if run.has_ended() || Instant::now() > deadline {
                run.stop();
                panic!("the container did not come to the gate: {}", run.finish());
            }
        }
        let mut word = [0; b"here\n".len()];
        (&self.told).read_exact(&mut word).unwrap();
        run
    }

    /// Lets it through.
    pub(crate) fn open(&self) {
        (&self.go).write_all(b"go\n").unwrap();
    }
}
