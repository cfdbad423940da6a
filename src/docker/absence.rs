//! Telling an engine that is away for a while from one that refuses.

use std::io;

use super::error::{AnswerError, DockerError};

impl DockerError {
    /// Whether the engine is not there, or went away while it answered. One that is started again says
    /// so in each of these ways: its socket is gone, nobody listens yet, its last answers are cut short.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Connect { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::Answer { source, .. } => matches!(source, AnswerError::Truncated),
            other => other.is_transient(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Call, Endpoint};
    use super::*;

    fn connect(kind: io::ErrorKind) -> DockerError {
        DockerError::Connect { endpoint: Endpoint::default(), source: kind.into() }
    }

    #[test]
    fn an_engine_that_is_started_again_is_absent_and_one_that_refuses_is_not() {
        let call = Call { method: "POST", path: "/containers/x/wait".to_owned() };
        let engine =
            |status| DockerError::Engine { call: call.clone(), status, message: String::new() };
        let cut = DockerError::Answer { call: call.clone(), source: AnswerError::Truncated };
        for error in [
            connect(io::ErrorKind::NotFound),
            connect(io::ErrorKind::ConnectionRefused),
            DockerError::Broken { call: call.clone(), source: "reset".into() },
            cut,
            engine(503),
        ] {
            assert!(error.is_absence(), "{error}");
        }
        for error in [connect(io::ErrorKind::PermissionDenied), engine(404), engine(500)] {
            assert!(!error.is_absence(), "{error}");
        }
    }
}
