//! A setting that cannot be used.

use thiserror::Error;

use crate::run::{ContextError, DockerError};
use crate::spec::{Problem, SpecError};

/// Why the environment's settings cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The engine's address.
    #[error("cannot use DOCKER_HOST")]
    DockerHost(#[source] DockerError),
    /// The context that Docker's command has, or `DOCKER_CONTEXT`.
    #[error("cannot use Docker's context")]
    Context(#[source] ContextError),
    /// What is to be added to every container.
    #[error("cannot use GIRDER_WORKER_DOCKER_RUN_OPTIONS")]
    RunOptions(#[source] SpecError),
    /// The Girder server of jobs that name none, or the token for it.
    #[error("cannot use {name}")]
    Girder {
        /// The variable.
        name: &'static str,
        /// What is wrong with its value.
        #[source]
        problem: Problem,
    },
    /// TLS to the engine.
    #[error(
        "DOCKER_TLS_VERIFY is set, but TLS to the engine is not supported yet; forward its socket with ssh -L"
    )]
    Tls,
    /// A value that makes no sense.
    #[error("{name} is {found:?}, expected something like {example}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// Its value.
        found: String,
        /// One that makes sense.
        example: &'static str,
    },
    /// A value that is no text.
    #[error("{name} is not UTF-8")]
    NotText {
        /// The variable.
        name: &'static str,
    },
}
