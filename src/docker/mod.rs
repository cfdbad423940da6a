//! The Engine API, over the engine's own socket.
//!
//! A [`Client`] is made by [`Client::connect`], which agrees with the engine on a version. Its
//! calls are futures for one current-thread Tokio runtime with I/O and time; each has a connection
//! and a time limit of its own, and dropping one closes its connection. Streams ([`Client::attach`],
//! [`ExitWait::exit`], [`Client::pull`]) have no limit.
//!
//! The order that loses nothing: [`Client::create`], [`Client::attach`],
//! [`Client::wait_next_exit`], [`Client::start`].
//!
//! What an attach carries goes elsewhere: [`Attached`] gives the bare socket away, and
//! [`frame::Decoder`] takes its bytes apart.

mod absence;
mod archive;
mod attach;
mod auth;
mod client;
mod clock;
mod conn;
mod container;
mod context;
mod create;
mod endpoint;
mod error;
pub mod frame;
mod image;
mod log;
mod login_error;
mod own_file;
mod proxy;
mod pull;
mod reference;
mod reply;
mod request;
mod settings;
mod system;
mod version;

pub use attach::Attached;
pub use client::Client;
pub use container::{
    ContainerId, ContainerState, ContainerSummary, Created, Exit, ExitWait, MountPoint,
    RemoveOptions,
};
pub use context::{ContextError, endpoint_of_context};
pub use create::{CreateContainer, HostConfig};
pub use endpoint::Endpoint;
pub use error::{AnswerError, Call, DockerError, StartFailure};
pub use image::{Image, ImageCommand};
pub use log::Log;
pub use login_error::LoginError;
pub use pull::{PullLine, Pulled};
pub use settings::Settings;
pub use version::{ApiVersion, Disagreement, ParseVersionError};
