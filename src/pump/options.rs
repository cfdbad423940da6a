//! How a pump is made.

use std::path::PathBuf;

/// How a pump is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Worker threads. Default: one a core, at most four; one keeps a whole memory bus busy.
    pub workers: usize,
    /// Buffers of 1 MiB that all workers may have together, for what cannot be spliced.
    /// Default: 8. A transfer that finds none has one of 64 KiB for as long as it needs it.
    pub buffers: usize,
    /// Where a container's output is kept while its sink is slow, in files without names.
    /// Default: `/tmp`.
    pub spool_folder: PathBuf,
    /// Connections that one transfer may use where a single one is too slow for its round trip.
    /// Default: 8. With 1 there is never a second.
    pub connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores.min(4),
            buffers: 8,
            spool_folder: PathBuf::from("/tmp"),
            connections: 8,
        }
    }
}

impl Options {
    /// With so many worker threads; at least one.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// With so many large buffers; at least one a worker.
    #[must_use]
    pub fn with_buffers(mut self, buffers: usize) -> Self {
        self.buffers = buffers;
        self
    }

    /// With files in this folder for output whose sink is slow.
    #[must_use]
    pub fn with_spool_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool_folder = folder.into();
        self
    }

    /// With at most so many connections for one transfer.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }
}
