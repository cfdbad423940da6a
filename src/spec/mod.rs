//! What a job is: data, no I/O, no clock.
//!
//! A [`JobSpec`] is parsed once, by [`JobSpec::from_json`], into types that cannot be wrong: every
//! volume that is named exists, every `Connect` joins one source to one sink, every path inside a
//! volume is relative and stays in it. Nothing behind this module looks at the job document again,
//! and nothing in it knows which form the job arrived in: the JSON of [`JobSpec::from_json`],
//! Girder Worker's message ([`JobSpec::from_message`]), or Rust ([`JobSpec::builder`]).
//!
//! Girder Worker's words (transform, connector) live here and nowhere else. Who comes from there
//! reads [`girder_worker`].

mod argument;
pub mod builder;
mod connect;
mod docker_py;
mod document;
mod download;
mod error;
mod girder_job;
pub mod girder_worker;
mod hook;
mod job;
mod json;
mod jsonpickle;
mod limits;
mod making;
mod pull_policy;
mod secret;
mod verify;
mod vocabulary;
mod volume;

pub use argument::Argument;
pub use connect::{Connect, Direction, Fifo, FifoPlace, Sink, Source};
pub use docker_py::{ContainerOptions, Gpu, RunOptions};
pub use document::schema;
pub use download::{Download, Downloaded};
pub use error::{Hint, Place, Problem, SpecError};
pub use girder_job::{GirderJob, GirderSession};
pub use hook::{Hook, Metadata, UploadOptions};
pub use job::JobSpec;
#[cfg(feature = "worker")]
pub(crate) use json::{Fault, Node, Value};
#[cfg(feature = "worker")]
pub(crate) use jsonpickle::{Pickle, Pickled};
pub use pull_policy::PullPolicy;
pub use secret::{HttpUrl, Secret};
pub use verify::Verify;
pub use volume::{BindMount, TemporaryVolume, Volume, VolumePath, VolumeRef};
