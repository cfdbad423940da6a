//! Gantline runs a container on data held in Girder, and moves the bytes at line rate.
//!
//! It does what Girder Worker's `docker_run` does: it takes a job document, streams files from a
//! [Girder](https://girder.readthedocs.io) server into a container through named pipes, and the
//! container's output back out. It speaks to the Docker engine itself, and between the two it lets
//! the kernel move the bytes: a file goes from its socket into the pipe that the program reads
//! without passing through this process. (A *gantline* is the rope through a single block with
//! which things are hoisted aboard.)
//!
//! # Using it
//!
//! ```no_run
//! use gantline::{JobSpec, settings::Settings};
//!
//! let job = JobSpec::from_json(
//!     r#"{"image": "busybox",
//!         "container_args": ["sha256sum", {
//!             "type": "Connect",
//!             "input": {"type": "GirderFileIdToStream", "id": "5f8f7c2a1b2c3d4e5f6a7b8c"},
//!             "output": {"type": "NamedInputPipe", "name": "in"}}]}"#,
//! )?;
//! // DOCKER_HOST, GIRDER_API_URL and their kin; `Runner::builder` takes what it is given instead.
//! let runner = Settings::from_env()?.runner().build()?;
//!
//! let outcome = runner.run(&job)?; // blocks; many runs may share one runner
//! println!("{:?} {}", outcome.exit_code(), outcome.report.to_json());
//!
//! let handle = runner.start(&job)?; // or in a thread of its own
//! handle.cancel();
//! handle.wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No async runtime is needed, and one may be running. A job is made from JSON, from a message of
//! Girder Worker's, or in Rust ([`JobSpec::builder`]); a run has settings of its own
//! ([`RunSettings`]) and tells [`Event`]s; [`transfers`] moves bytes without a
//! container. Programs that do each of these are in `tests/examples/`. The command `gantline` is the
//! same engine behind `cli`. What is done with all of it is in the
//! [`manual`], what has changed in the [`changelog`], how to change it in [`contributing`].
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `command` | the command `gantline` and its benchmark: the modules `cli` and `bench` |
//! | `worker` | the worker that takes Girder Worker's messages |
//!
//! Both are on by default, for `cargo install`. Who embeds the library takes neither:
//! `gantline = { version = "0.1", default-features = false }`.
//!
//! # The tour
//!
//! The modules are the chapters of a short book. Read in this order, each needs only those before
//! it. Those of private modules are there with `cargo doc --document-private-items`.
//!
//! 1. [`spec`]: what a job *is*. The document is parsed once, into types that cannot be wrong.
//! 2. [`run`]: one job from start to end. A pure [`Plan`] (its chapter is [`plan`]), then the phases: prepare, start, stream,
//!    wait, collect, clean up. Whatever fails, the clean-up comes. This is where all the others
//!    meet; none of them knows another of its layer.
//! 3. [`docker`]: the Engine API over the engine's own socket, and the frames in which a
//!    container's stdout and stderr share one connection.
//! 4. [`girder`]: Girder's REST API, as far as jobs need it: records, listings, uploads in chunks,
//!    jobs. It makes a GET of a file's id; the bytes of a download are moved by others.
//!    A run and its hooks know it as their [`store`].
//! 5. [`http`]: the GET of a body, and the POST of one. An HTTP/1.1 client whose bodies stay in the
//!    kernel until somebody splices them.
//! 6. [`pump`]: the streaming core. Worker threads with an epoll loop each, transfers as state
//!    machines that decide and do nothing, carriers that do and decide nothing.
//! 7. [`sys`]: the system calls beneath it, one safe function each. And `guard`: the process that holds the ends of
//!    input FIFOs as well, and has the container killed should we be.
//! 8. [`volume`]: what a container sees of the host: directories, bind mounts, FIFOs. The container
//!    is not trusted with them.
//! 9. [`hook`]: what is done with results: uploads, artifacts, metadata, files written into items.
//! 10. [`reporter`]: the job in Girder that is told what happens: its status, log and progress.
//! 11. [`event`]: what a run tells the world.
//! 12. [`settings`]: what the environment says, for whoever asks.
//! 13. [`depot`]: a folder served as Girder would serve it, to try things, show them and measure
//!     them.
//! 14. `bench`: what all of this moves on this machine, measured.
//! 15. `cli`: the command.
//! 16. [`transfers`]: the pump by itself, for who has no container.
//!
//! # Layers
//!
//! A module imports those below it, and of its own layer nothing.
//!
//! | layer | modules |
//! |---|---|
//! | 8 | `cli` |
//! | 7 | `bench`, `worker` |
//! | 6 | [`settings`] |
//! | 5 | [`run`] |
//! | 4 | [`hook`], [`plan`], [`reporter`] |
//! | 3 | [`event`], [`store`], [`transfers`] |
//! | 2 | [`girder`], [`pump`], [`volume`], [`docker`], [`depot`] |
//! | 1 | [`spec`], [`http`], `guard` |
//! | 0 | [`sys`], [`secret`], `backoff`, `image`, `span` |
//!
//! # What holds everywhere
//!
//! - A byte that a source gave is delivered once and in its order, or the run fails. A short file
//!   never looks like a whole one: the container is killed before our end of its FIFO is closed; with
//!   a [`guard()`] also when it is we who are killed.
//! - A container's exit code, a reader that leaves early, a run that is cancelled are values, not
//!   errors. An error names the operation, the object and the cause, and who is to blame is in its
//!   type.
//! - Tokens are in no error, log, label, report or `Debug`.
//! - Nothing polls. A container that does nothing costs nothing.

/// Compiles the README's program.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod backoff;
#[cfg(feature = "command")]
mod bench;
pub mod changelog;
#[cfg(feature = "command")]
mod cli;
pub mod contributing;
mod depot;
mod docker;
pub mod event;
mod fuzzing;
mod girder;
mod guard;
mod hook;
mod http;
mod image;
pub mod manual;
pub mod plan;
mod pump;
mod reporter;
pub mod run;
mod secret;
pub mod settings;
mod span;
pub mod spec;
mod store;
mod sys;
pub mod transfers;
mod volume;
#[cfg(feature = "worker")]
mod worker;

pub use self::{
    event::{Event, EventSink, Phase, RunId, TransferId},
    plan::{Plan, PlanError},
    run::{
        Canceller, GirderSettings, Outcome, Report, RunError, RunHandle, RunSettings, Runner,
        RunnerBuilder, guard,
    },
    spec::{JobSpec, SpecError},
};

/// What the command, the tests, the benches and the fuzz targets reach for. It is no part of the
/// library's interface and changes without notice.
#[doc(hidden)]
pub mod internal {
    #[cfg(feature = "command")]
    pub mod bench {
        pub use crate::bench::*;
    }
    #[cfg(feature = "command")]
    pub mod cli {
        pub use crate::cli::*;
    }
    pub mod depot {
        pub use crate::depot::*;
    }
    pub mod docker {
        pub use crate::docker::*;
    }
    pub mod fuzzing {
        pub use crate::fuzzing::*;
    }
    pub mod girder {
        pub use crate::girder::*;
    }
    pub mod hook {
        pub use crate::hook::*;
    }
    pub mod http {
        pub use crate::http::*;
    }
    pub mod pump {
        pub use crate::pump::*;
    }
    pub mod reporter {
        pub use crate::reporter::*;
    }
    pub mod sys {
        pub use crate::sys::*;
    }
    pub mod volume {
        pub use crate::volume::*;
    }
    #[cfg(feature = "worker")]
    pub mod worker {
        pub use crate::worker::*;
    }
}
