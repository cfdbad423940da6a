//! Where a measurement was made, as far as it explains the numbers.

use serde_json::{Value, json};

/// This machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// The processor's name for itself, where the kernel tells.
    pub processor: Option<String>,
    /// How many of its cores this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The largest pipe that an ordinary user may have.
    pub pipe_bytes: Option<u64>,
}

impl Machine {
    pub(super) fn this() -> Self {
        let text = |path| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let processor = text("/proc/cpuinfo").and_then(|all| {
            let line = all.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Self {
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: text("/proc/sys/kernel/osrelease"),
            pipe_bytes: text("/proc/sys/fs/pipe-max-size").and_then(|text| text.parse().ok()),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "kernel": self.kernel,
            "pipe_max_bytes": self.pipe_bytes,
        })
    }
}
