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
}

impl Case {
    /// All of them, in the order in which they are measured.
    pub const ALL: [Self; 8] = [
        Self::HttpFifo,
        Self::HttpsFifo,
        Self::ChunkedFifo,
        Self::FileFifo,
        Self::FifoPost,
        Self::FifoFile,
        Self::HttpFile,
        Self::StdoutFile,
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
        }
    }

    /// The case of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.as_str() == name)
    }

    /// Whether a job can do it with a container: what no container takes part in cannot be.
    pub fn has_container(self) -> bool {
        self != Self::HttpFile
    }

    /// Where its bytes come from.
    pub(super) fn from(self) -> Origin {
        match self {
            Self::HttpFifo | Self::HttpFile => Origin::Depot,
            Self::HttpsFifo => Origin::Tls,
            Self::ChunkedFifo => Origin::Chunked,
            Self::FileFifo => Origin::File,
            Self::FifoPost | Self::FifoFile => Origin::Fifo,
            Self::StdoutFile => Origin::Stdout,
        }
    }

    /// Where its bytes go.
    pub(super) fn to(self) -> Destination {
        match self {
            Self::FifoFile | Self::HttpFile | Self::StdoutFile => Destination::File,
            Self::FifoPost => Destination::Post,
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
}

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    Fifo,
    File,
    Post,
}

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
