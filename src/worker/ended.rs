//! How a job ended, and what Girder and Celery are told of it. Pure.
//!
//! | how | in Girder | for Celery |
//! |---|---|---|
//! | exit 0, results in their places | success | SUCCESS, null |
//! | another exit code | error | FAILURE, docker.errors.DockerException |
//! | the image, the container's making or its start | error | FAILURE, docker.errors.APIError |
//! | anything else that failed | error | FAILURE, builtins.RuntimeError |
//! | cancelled while it ran, or before | canceled | REVOKED, terminated or revoked |
//! | too late | canceled | REVOKED, expired |
//! | a time limit | error | FAILURE, SoftTimeLimitExceeded, TimeLimitExceeded |
//! | Girder was away for too long | error | FAILURE, builtins.RuntimeError |
//! | the worker was stopped | error | FAILURE, builtins.RuntimeError |

use crate::girder::JobStatus;
use crate::run::{Cause, Outcome, RunError, chain};
use crate::worker::celery::PythonError;

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ended {
    /// As it should.
    Succeeded,
    /// With an error.
    Failed(Failure),
    /// Somebody cancelled it before it ran.
    Revoked,
    /// Somebody cancelled it while it ran.
    Terminated,
    /// Its time to begin had passed.
    Expired,
}

/// An error as Celery has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) class: Class,
    /// The exception's arguments.
    pub(super) arguments: Vec<serde_json::Value>,
    /// The error with its causes, a line each: what stands where Python has its traceback.
    pub(super) words: String,
    /// The run has put them into the job's log already.
    pub(super) is_told: bool,
}

/// The Python class that the waiting side gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    DockerException,
    ApiError,
    RuntimeError,
    SoftTimeLimitExceeded,
    TimeLimitExceeded,
}

impl Failure {
    fn of_words(words: String) -> Self {
        let class = Class::RuntimeError;
        let arguments = vec![words.clone().into()];
        Self { class, arguments, words, is_told: false }
    }

    /// As Python has it.
    pub(super) fn error(&self) -> PythonError {
        let (module, name) = self.class.path();
        PythonError::new(module, name, self.arguments.clone())
    }
}

impl Class {
    /// Its module and its name.
    fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::DockerException => ("docker.errors", "DockerException"),
            Self::ApiError => ("docker.errors", "APIError"),
            Self::RuntimeError => ("builtins", "RuntimeError"),
            Self::SoftTimeLimitExceeded => ("billiard.exceptions", "SoftTimeLimitExceeded"),
            Self::TimeLimitExceeded => ("billiard.exceptions", "TimeLimitExceeded"),
        }
    }
}

/// Why the worker stopped a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum StoppedFor {
    /// Somebody revoked the task, or cancelled the job in Girder.
    Cancel,
    /// The soft limit.
    SoftLimit,
    /// The hard limit, in seconds.
    HardLimit { seconds: f64 },
    /// Girder is away, since so many seconds.
    GirderAway { seconds: u64 },
    /// The worker ends.
    Shutdown,
}

impl Ended {
    /// Of a run, and of why the worker stopped it, if it did.
    pub(super) fn of_run(ran: &Result<Outcome, RunError>, stopped: Option<StoppedFor>) -> Self {
        // What failed by itself failed, whoever wanted to stop it at the same time.
        let was_stopped = match ran {
            Ok(outcome) => outcome.is_cancelled(),
            Err(_) => false,
        };
        if was_stopped && let Some(stopped) = stopped {
            return Self::of_stop(stopped);
        }
        match ran {
            Err(error) => Self::Failed(Failure {
                class: class_of(&error.cause),
                arguments: vec![chain(error).into()],
                words: chain(error),
                is_told: true,
            }),
            Ok(outcome) => match outcome.exit_code() {
                Some(0) => Self::Succeeded,
                Some(code) => Self::of_exit(code, outcome.report.failure.as_deref()),
                // The run says that it was cancelled, and it was not us.
                None => Self::Terminated,
            },
        }
    }

    /// Of a job that has ended in Girder, on a worker that nobody can ask any more.
    pub(super) fn in_girder(status: JobStatus) -> Self {
        match status {
            JobStatus::Success => Self::Succeeded,
            _ => Self::Failed(Failure {
                is_told: true,
                ..Failure::of_words(
                    "the job failed, and its worker died before it told more: the job's log says why"
                        .to_owned(),
                )
            }),
        }
    }

    /// Of a job that cannot be run as it came.
    pub(super) fn unusable(words: String) -> Self {
        Self::Failed(Failure::of_words(words))
    }

    fn of_stop(stopped: StoppedFor) -> Self {
        let failed = |class, arguments, words: String| {
            Self::Failed(Failure { class, arguments, words, is_told: false })
        };
        match stopped {
            StoppedFor::Cancel => Self::Terminated,
            StoppedFor::SoftLimit => failed(
                Class::SoftTimeLimitExceeded,
                Vec::new(),
                "the soft time limit is over".to_owned(),
            ),
            StoppedFor::HardLimit { seconds } => failed(
                Class::TimeLimitExceeded,
                vec![seconds.into()],
                format!("the time limit of {seconds} s is over"),
            ),
            StoppedFor::GirderAway { seconds } => Self::unusable(format!(
                "Girder could not be told of the job for {seconds} s, and it was stopped"
            )),
            StoppedFor::Shutdown => Self::unusable("the worker was stopped".to_owned()),
        }
    }

    /// Girder Worker's own words go first: programs look for them.
    fn of_exit(code: i64, words: Option<&str>) -> Self {
        let theirs = format!("Non-zero exit code from docker container ({code}).");
        let words = words.map_or_else(|| theirs.clone(), |ours| format!("{theirs} {ours}"));
        Self::Failed(Failure {
            class: Class::DockerException,
            arguments: vec![words.clone().into()],
            words,
            is_told: true,
        })
    }

    /// What the job in Girder becomes.
    pub(super) fn status(&self) -> JobStatus {
        match self {
            Self::Succeeded => JobStatus::Success,
            Self::Failed(_) => JobStatus::Error,
            Self::Revoked | Self::Terminated | Self::Expired => JobStatus::Canceled,
        }
    }

    /// The counter's word.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Succeeded => "success",
            Self::Failed(_) => "failure",
            Self::Revoked => "revoked",
            Self::Terminated => "terminated",
            Self::Expired => "expired",
        }
    }
}

fn class_of(cause: &Cause) -> Class {
    match cause {
        Cause::Image { .. }
        | Cause::NoImage { .. }
        | Cause::Create(_)
        | Cause::Start(_)
        | Cause::NoGpu(_)
        | Cause::Remove(_)
        | Cause::EngineTooOld { .. } => Class::ApiError,
        Cause::Connect(_) | Cause::Attach(_) | Cause::Exit(_) | Cause::Stop(_) | Cause::NoExit => {
            Class::DockerException
        }
        _ => Class::RuntimeError,
    }
}
