//! Output that does not pass through the engine: the container's streams are FIFOs, in a volume of their own.

use super::planner::{Planner, temporary_target};
use super::{FifoFolder, FifoRef, Mount, PlanError, PlannedFifo, PlannedTransfer};
use crate::spec::{Connect, Direction, Sink, Source};
use crate::volume::{ContainerPath, RelativePath};

/// What has the container's program write into FIFOs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FastStdout {
    /// The volume that has the FIFOs and what opens them: an index into [`Plan::mounts`](super::Plan::mounts).
    pub(crate) mount: usize,
    /// Where in the container that is which opens them.
    pub(crate) opener: String,
    /// The FIFO that is standard output there; empty if that stays with the engine.
    pub(crate) stdout: String,
    /// The one that is standard error; empty if that stays with the engine.
    pub(crate) stderr: String,
}

/// The file that opens the FIFOs, in their folder.
pub(crate) const OPENER: &str = "open";

impl Planner<'_> {
    /// Takes standard output from a FIFO, standard error, or both. Where the job says so of all its output, standard error
    /// stays with the engine unless it is sent elsewhere than to ours, so that a program's last words are known.
    pub(super) fn fast_stdout(
        &mut self,
        name: &mut impl FnMut() -> String,
    ) -> Result<Option<FastStdout>, PlanError> {
        let is_for_all = self.job.fast_stdout();
        let wants = |transfer: &PlannedTransfer, stream: &Source<FifoRef>| {
            let is_data = is_for_all && !transfer.sink.is_our_stream();
            transfer.source == *stream && (transfer.is_fast || is_data)
        };
        let any = |stream| self.transfers.iter().any(|transfer| wants(transfer, &stream));
        let has_stdout = is_for_all || any(Source::ContainerStdOut);
        let has_stderr = any(Source::ContainerStdErr);
        if !has_stdout && !has_stderr {
            return Ok(None);
        }
        if !cfg!(target_arch = "x86_64") {
            return Err(PlanError::NoFastStdout);
        }
        let (mount, target) = (self.mounts.len(), temporary_target(name)?);
        let volume = (mount, &target);
        let is_named =
            self.transfers.iter().any(|transfer| transfer.source == Source::ContainerStdOut);
        if is_for_all && !is_named {
            self.transfers.push(Connect::new(Source::ContainerStdOut, Sink::HostStdOut));
        }
        let mut fifo = |has: bool, stream, name| match has {
            true => self.comes_by_fifo(&stream, volume, name),
            false => Ok(String::new()),
        };
        let stdout = fifo(has_stdout, Source::ContainerStdOut, "stdout")?;
        let stderr = fifo(has_stderr, Source::ContainerStdErr, "stderr")?;
        let opener = target.join(&fixed(OPENER)?).to_string();
        self.mounts.push(Mount::Temporary { host_dir: None, mode: 0o755, access: "ro", target });
        Ok(Some(FastStdout { mount, opener, stdout, stderr }))
    }

    /// Takes one of the container's streams from a FIFO of this volume, and gives its path in the container.
    fn comes_by_fifo(
        &mut self,
        stream: &Source<FifoRef>,
        (mount, target): (usize, &ContainerPath),
        name: &str,
    ) -> Result<String, PlanError> {
        let file = fixed(name)?;
        let path = target.join(&file).to_string();
        let fifo = FifoRef { at: self.fifos.len(), name: name.to_owned() };
        let direction = Direction::Output;
        self.fifos.push(PlannedFifo { folder: FifoFolder::Mount(mount), name: file, direction });
        for transfer in self.transfers.iter_mut().filter(|transfer| transfer.source == *stream) {
            transfer.source = Source::Fifo(fifo.clone());
        }
        Ok(path)
    }
}

fn fixed(name: &str) -> Result<RelativePath, PlanError> {
    RelativePath::new(name).map_err(|_| PlanError::Bug("a name of ours that is none"))
}

#[cfg(test)]
mod tests {
    use crate::plan::{Mount, Plan};
    use crate::spec::JobSpec;

    fn plan(connectors: &str) -> Plan {
        planned(true, connectors)
    }

    fn planned(fast_stdout: bool, connectors: &str) -> Plan {
        let document = format!(
            r#"{{"image": "i", "fast_stdout": {fast_stdout}, "stream_connectors": [{connectors}]}}"#
        );
        let mut next = 0;
        let name = || {
            next += 1;
            format!("t{next}")
        };
        Plan::new(&JobSpec::from_json(&document).unwrap(), name).unwrap()
    }

    #[test]
    fn standard_output_is_a_fifo_and_what_the_engine_says_beside_it_is_ours() {
        let plan = plan("");
        let transfers = [
            "fifo:stdout → host:stdout",
            "container:stdout → host:stdout",
            "container:stderr → host:stderr",
        ];
        assert_eq!(plan.transfers(), transfers);
        let fast = plan.fast_stdout.as_ref().unwrap();
        assert_eq!(fast.opener, "/mnt/girder_worker/t2/open");
        assert_eq!(fast.stdout, "/mnt/girder_worker/t2/stdout");
        assert_eq!(fast.stderr, "");
        let Some(Mount::Temporary { access, .. }) = plan.mounts.get(fast.mount) else { panic!() };
        assert_eq!(*access, "ro");
    }

    #[test]
    fn standard_error_is_a_fifo_where_it_is_data() {
        let file = r#"{"type": "Connect", "input": {"type": "ContainerStdErr"},
            "output": {"type": "HostFile", "path": "/e"}}"#;
        let plan = plan(file);
        assert_eq!(plan.transfers()[0], "fifo:stderr → file:/e");
        let fast = plan.fast_stdout.as_ref().unwrap();
        assert_eq!(fast.stderr, "/mnt/girder_worker/t2/stderr");
    }

    #[test]
    fn one_stream_alone_is_a_fifo_where_its_connect_says_so() {
        let connect = |stream: &str, sink: &str| {
            format!(
                r#"{{"type": "Connect", "input": {{"type": "{stream}", "fast": true}}, "output": {sink}}}"#
            )
        };
        let file = r#"{"type": "HostFile", "path": "/f"}"#;
        let ours = r#"{"type": "HostStdErr"}"#;
        for (connector, first, [stdout, stderr]) in [
            (connect("ContainerStdOut", file), "fifo:stdout → file:/f", ["stdout", ""]),
            (connect("ContainerStdErr", file), "fifo:stderr → file:/f", ["", "stderr"]),
            (connect("ContainerStdErr", ours), "fifo:stderr → host:stderr", ["", "stderr"]),
        ] {
            let plan = planned(false, &connector);
            assert_eq!(plan.transfers()[0], first);
            let fast = plan.fast_stdout.as_ref().unwrap();
            let path = |name: &str| match name {
                "" => String::new(),
                name => format!("/mnt/girder_worker/t2/{name}"),
            };
            assert_eq!((&fast.stdout, &fast.stderr), (&path(stdout), &path(stderr)));
        }
        let slow = r#"{"type": "Connect", "input": {"type": "ContainerStdOut", "fast": false},
            "output": {"type": "HostFile", "path": "/f"}}"#;
        assert!(planned(false, slow).fast_stdout.is_none());
    }
}
