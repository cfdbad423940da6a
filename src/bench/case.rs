//! What is measured: a kind of source, and a kind of sink.

use serde::{Deserialize, Serialize};

/// One way from a source to a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Case {
    /// Plain HTTP, from the depot, into a FIFO.
    HttpFifo,
    /// HTTPS into a FIFO.
    HttpsFifo,
    /// HTTP with a chunked body into a FIFO.
    ChunkedFifo,
    /// A file of the host into a FIFO.
    FileFifo,
    /// A FIFO into the chunked body of a POST.
    FifoPost,
    /// A FIFO into a file of the host.
    FifoFile,
    /// Plain HTTP, from the depot, into a file of the host.
    HttpFile,
    /// A container's stdout, in the engine's frames, into a file of the host.
    StdoutFile,
    /// A folder of many small files, from the depot, into a volume.
    ManyDown,
    /// Many small files into a folder of a store.
    ManyUp,
    /// A file whose sum the store tells into a volume, where it is held against that.
    CheckedDown,
    /// A file into a folder of a store.
    Upload,
}

impl Case {
    /// All of them, in the order in which they are measured.
    pub const ALL: [Self; 12] = [
        Self::HttpFifo,
        Self::HttpsFifo,
        Self::ChunkedFifo,
        Self::FileFifo,
        Self::FifoPost,
        Self::FifoFile,
        Self::HttpFile,
        Self::StdoutFile,
        Self::ManyDown,
        Self::ManyUp,
        Self::CheckedDown,
        Self::Upload,
    ];

    /// Its name on the command line and in the data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HttpFifo => "http-fifo",
            Self::HttpsFifo => "https-fifo",
            Self::ChunkedFifo => "chunked-fifo",
            Self::FileFifo => "file-fifo",
            Self::FifoPost => "fifo-post",
            Self::FifoFile => "fifo-file",
            Self::HttpFile => "http-file",
            Self::StdoutFile => "stdout-file",
            Self::ManyDown => "many-down",
            Self::ManyUp => "many-up",
            Self::CheckedDown => "checked-down",
            Self::Upload => "upload",
        }
    }

    /// The case of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.as_str() == name)
    }

    /// Whether a job can do it with a container: what no container takes part in cannot be.
    pub fn has_container(self) -> bool {
        self != Self::HttpFile && !self.is_upload()
    }

    /// Whether only a job can do it: files come into volumes before a container starts.
    pub fn needs_container(self) -> bool {
        self.to() == Destination::Volume
    }

    /// Whether `gantline upload` does it.
    pub(super) fn is_upload(self) -> bool {
        self.to() == Destination::Store
    }

    /// Whether the command brings the files by itself, as many at once as it takes, and no transfer is told to it.
    pub fn is_of_files(self) -> bool {
        self.needs_container() || self.is_upload()
    }

    /// Whether it is of many small files.
    pub(super) fn has_many(self) -> bool {
        matches!(self, Self::ManyDown | Self::ManyUp)
    }

    /// Where its bytes come from.
    pub(super) fn from(self) -> Origin {
        match self {
            Self::HttpFifo | Self::HttpFile | Self::ManyDown => Origin::Depot,
            Self::HttpsFifo => Origin::Tls,
            Self::ChunkedFifo => Origin::Chunked,
            Self::FileFifo | Self::ManyUp | Self::Upload => Origin::File,
            Self::CheckedDown => Origin::Store,
            Self::FifoPost | Self::FifoFile => Origin::Fifo,
            Self::StdoutFile => Origin::Stdout,
        }
    }

    /// Where its bytes go.
    pub(super) fn to(self) -> Destination {
        match self {
            Self::FifoFile | Self::HttpFile | Self::StdoutFile => Destination::File,
            Self::FifoPost => Destination::Post,
            Self::ManyDown | Self::CheckedDown => Destination::Volume,
            Self::ManyUp | Self::Upload => Destination::Store,
            _ => Destination::Fifo,
        }
    }
}

/// Where bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Depot,
    Tls,
    Chunked,
    File,
    Fifo,
    Stdout,
    /// One that tells sums.
    Store,
}

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    Fifo,
    File,
    Post,
    /// A container's.
    Volume,
    /// One that takes files.
    Store,
}

/// Bytes of each of many small files.
pub(super) const SMALL_FILE: u64 = 2 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_everywhere() {
        for case in Case::ALL {
            assert_eq!(Case::named(case.as_str()), Some(case));
            assert_eq!(serde_json::to_value(case).unwrap(), case.as_str());
        }
        assert_eq!(Case::named("http"), None);
    }
}
