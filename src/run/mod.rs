//! One job from start to end.
//!
//! A [`Runner`] makes a [`Plan`](crate::Plan) of a job, which is pure, and then goes through the phases, each of
//! which has its file: `prepare`, `start`, `stream`, `wait`, `collect`, `clean_up`. A phase is a
//! type that only the phase before it can make, so that nothing is started before it is prepared; it
//! holds what that phase has found out. The plan does not change: what only the run finds out stands
//! beside it. What was made is noted where it is made, in `live`, and is removed at the end, whichever
//! phase failed or was cancelled.
//!
//! Many runs share one runner. What one of them is given is in its [`RunSettings`]; who started it
//! has a [`RunHandle`]. A cancel is noticed by `Cancellation` alone: each wait is handed to it, with what becomes of it then.
//!
//! This module is where the engine, Girder and the pump meet: it takes the descriptor out of an
//! attach and hands it to the pump (`split`), it makes of a Girder file the GET that the pump
//! resumes. One current-thread runtime a run carries the calls to the engine; nothing in it ticks,
//! so a quiet container costs nothing.

mod blocking;
#[cfg(feature = "command")]
mod by_hand;
mod cancel;
mod chain;
mod clean_up_error;
mod container;
mod end;
mod error;
mod failure;
mod guarding;
mod handle;
mod hooks;
mod kept;
mod labels;
mod live;
mod outcome;
mod phases;
mod prune;
mod quoted;
mod runner;
mod settings;
mod shared;
mod store;
mod telling;
mod transfers;

#[cfg(feature = "command")]
pub(crate) use self::guarding::{
    serve_if_asked as serve_as_guard_if_asked, stand_in_front_if_first,
};
pub(crate) use self::transfers::{
    downloads::names::Names, filter_progress::FilterProgress, progress_pipe::ProgressLines,
};
#[cfg(feature = "command")]
pub(crate) use self::{
    by_hand::{ByHand, ByHandError, Done},
    container::binds::missing_sources,
    quoted::quoted,
    store::NamedStore,
    transfers::split::Frames,
};
pub use self::{
    cancel::Canceller,
    chain::chain,
    clean_up_error::CleanUpError,
    error::{Cause, RunError},
    guarding::guard,
    handle::RunHandle,
    outcome::{
        DownloadCarrier, DownloadRecord, HookRecord, KeptRecord, Outcome, Report, TransferRecord,
        UploadRecord,
    },
    prune::{Left, Prune, PruneError, Pruned},
    runner::{BuildError, Runner, RunnerBuilder},
    settings::{ClosedStdout, Keep, RunSettings},
    transfers::{downloads::error::DownloadError, host_file::HostFileError},
};
pub(crate) use crate::docker::endpoint_of_context;
/// Whom the worker's brokers are trusted by, as the servers of downloads are.
#[cfg(feature = "worker")]
pub(crate) use crate::http::Roots;
/// What a [`Cause`] holds: the error of the part that failed. Those of a transfer are in
/// [`transfers`](crate::transfers).
pub use crate::{
    docker::{
        AnswerError, Call, ContextError, Disagreement, DockerError, LoginError, StartFailure,
    },
    hook::HookError,
    http::{ChunkError, HeadError, HttpError, RangeError, RedirectError},
    reporter::ReporterError,
    store::StoreError,
    volume::{PathError, VolumeError},
};
/// What a [`Runner`] is set up with, in the words of a run.
pub use crate::{
    docker::{ApiVersion, Endpoint, Settings as EngineSettings},
    http::{ClientOptions as DownloadOptions, Limits, Proxies},
    pump::{Listen, Options as PumpOptions},
    store::GirderSettings,
};
