//! What can go wrong with the engine, and who is to blame.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::login_error::LoginError;
use super::reference::Reference;
use super::version::Disagreement;

/// A call that did not do what was asked.
///
/// The engine's message is kept as it came; queries, headers and bodies of the request are not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// The address of the engine cannot be used.
    #[error("cannot use {address:?} as the engine's address: {problem}")]
    Address {
        /// As it was given, without user name and password.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Nobody could be reached.
    #[error("cannot connect to the engine at {endpoint}{}", advice(endpoint, source.kind()))]
    Connect {
        /// Where the engine should be.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
    /// There is no version of the API to speak.
    #[error("cannot agree with the engine at {endpoint} on an API version: {disagreement}")]
    Version {
        /// The engine.
        endpoint: Endpoint,
        /// Why not.
        disagreement: Disagreement,
    },
    /// The engine took longer than a call may.
    #[error(
        "no answer to {call} within {} s (DOCKER_CLIENT_TIMEOUT sets how long to wait)",
        after.as_secs_f64()
    )]
    TimedOut {
        /// The call.
        call: Call,
        /// How long it was waited for.
        after: Duration,
    },
    /// A pull stands still.
    #[error("the pull of {reference} stands still: the engine has said nothing for {} s", after.as_secs_f64())]
    Stalled {
        /// The image.
        reference: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection broke while the call was under way.
    #[error("the connection to the engine broke during {call}")]
    Broken {
        /// The call.
        call: Call,
        /// What happened to it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The engine refused.
    #[error("the engine refused {call}: {message} (status {status})")]
    Engine {
        /// The call.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The engine's answer cannot be used.
    #[error("cannot use the engine's answer to {call}")]
    Answer {
        /// The call.
        call: Call,
        /// What is wrong with it.
        source: AnswerError,
    },
    /// The engine kept HTTP where the bare connection was asked for.
    #[error(
        "the engine did not hand the connection over at {call} (status {status}); a proxy between \
         must let the upgrade to tcp through"
    )]
    NotUpgraded {
        /// The call.
        call: Call,
        /// The HTTP status.
        status: u16,
    },
    /// The engine began to pull and then failed.
    #[error("the engine could not pull {reference}: {message}")]
    Pull {
        /// The image.
        reference: String,
        /// The engine's own words.
        message: String,
    },
    /// A registry refuses an image for want of a login, or to the login that it was given, as far as
    /// its words tell. Some say the same of an image that they do not have.
    #[error(
        "the registry {registry} does not give {reference} to {}: {message}; is its name right? if so, \
         run `docker login {registry}`{}",
        if *with_login { "who docker is logged in as there" } else { "everybody" },
        if *with_login { " again: that login is wrong, or has run out" } else { "" }
    )]
    NotLoggedIn {
        /// The registry.
        registry: String,
        /// The image.
        reference: String,
        /// Whether a login was sent.
        with_login: bool,
        /// The engine's own words, or the registry's.
        message: String,
    },
    /// An image reference that no engine takes.
    #[error("{reference:?} is not an image reference: {problem}")]
    Reference {
        /// As it was given.
        reference: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The login for a registry cannot be had.
    #[error("cannot get the login for {registry}")]
    Login {
        /// The registry.
        registry: String,
        /// Why not.
        source: LoginError,
    },
    /// We made a request that HTTP does not allow.
    #[error("a bug in Gantline: {0}")]
    Bug(&'static str),
}

impl DockerError {
    /// A call that came to no end. Whoever answers in something else than HTTP will not learn it.
    pub(super) fn of_call(call: Call, source: hyper::Error) -> Self {
        match source.is_parse() {
            true => Self::Answer { call, source: AnswerError::NotHttp(Box::new(source)) },
            false => Self::Broken { call, source: Box::new(source) },
        }
    }

    /// Whether the same call may succeed a little later.
    ///
    /// A 500 is not among them: the engine uses it for whatever it has no better status for, and
    /// most of that is permanent.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::Interrupted
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::WouldBlock
            ),
            Self::TimedOut { .. } | Self::Stalled { .. } | Self::Broken { .. } => true,
            Self::Engine { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether a container's program was not started because it was given more than the kernel takes (`E2BIG`): the
    /// engine hands on what its runtime says of that.
    pub fn is_too_long_for_a_program(&self) -> bool {
        matches!(self, Self::Engine { message, .. } if message.contains("argument list too long"))
    }

    /// Whether the engine does not have the container or image.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Engine { status: 404, .. })
    }

    /// Whether the name is taken, or the container is not in a state that allows the call.
    ///
    /// Podman's status for that is 500, and its message ends with the kind of error (`ErrCtrExists`, `ErrCtrStateInvalid`
    /// in libpod/define/errors.go).
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Engine { status: 409, .. } => true,
            Self::Engine { status: 500, message, .. } => {
                [": container state improper", ": that name is already in use"]
                    .iter()
                    .any(|kind| message.ends_with(kind))
            }
            _ => false,
        }
    }

    /// What a pull of `reference` from `registry` failed by: engines have no status for a login that is
    /// missing or wrong, only their registry's words. A proxy of the engine's has similar ones.
    pub(super) fn of_pull(self, reference: &Reference, with_login: bool) -> Self {
        let (Self::Engine { message, .. } | Self::Pull { message, .. }) = &self else {
            return self;
        };
        let words = message.to_ascii_lowercase();
        let refusals = ["no basic auth credentials", "unauthorized: ", "401 unauthorized"];
        if !refusals.iter().any(|refusal| words.contains(refusal)) {
            return self;
        }
        let (registry, message) = (reference.registry().to_string(), message.clone());
        Self::NotLoggedIn { registry, reference: reference.to_string(), with_login, message }
    }

    /// Whether the engine refused a container because it has no GPU for it, as far as its words
    /// tell: the engine, its runtime and NVIDIA's hook each have their own.
    pub fn is_about_gpus(&self) -> bool {
        let Self::Engine { message, .. } = self else { return false };
        let message = message.to_ascii_lowercase();
        ["device driver", "nvidia", "gpu", "cdi "].iter().any(|word| message.contains(word))
    }

    /// Why a container did not start, when this is what the engine answered to a start.
    ///
    /// The API has one status for all of them, so this reads the message by the rules of the
    /// docker command (`toStatusError` in cli/command/container/run.go), which turns them into
    /// the exit codes 127, 126 and 125.
    pub fn start_failure(&self) -> StartFailure {
        let Self::Engine { message, .. } = self else {
            return StartFailure::Other;
        };
        let says = |needles: &[&str]| needles.iter().any(|needle| message.contains(needle));
        if says(&[
            "executable file not found",
            "no such file or directory",
            "system cannot find the file specified",
        ]) {
            StartFailure::NotFound
        } else if says(&["permission denied", "is a directory"]) {
            StartFailure::NotExecutable
        } else {
            StartFailure::Other
        }
    }
}

/// Why a container did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartFailure {
    /// The image has no such command; `docker run` exits with 127.
    NotFound,
    /// The command may not be executed; `docker run` exits with 126.
    NotExecutable,
    /// The engine failed; `docker run` exits with 125.
    Other,
}

/// Which call it was: the method and the path, without version and query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// Such as `/containers/create`.
    pub path: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What is wrong with an answer of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// No HTTP, or more of a head than anybody should send.
    #[error("it is not HTTP")]
    NotHttp(#[source] Box<dyn Error + Send + Sync>),
    /// Not the JSON that the API promises.
    #[error("expected other JSON")]
    Json(#[source] serde_json::Error),
    /// More than anybody should send.
    #[error("longer than {most} bytes")]
    TooLong {
        /// The limit.
        most: usize,
    },
    /// The answer ended where there should have been more.
    #[error("it ends too early")]
    Truncated,
    /// Something should be there and is not, or not as it should be.
    #[error("{0}")]
    Unexpected(&'static str),
    /// The connection cannot be taken out of the runtime.
    #[error("cannot take over the connection")]
    TakeOver(#[source] io::Error),
}

/// What the user can do, by what the system says.
fn advice(endpoint: &Endpoint, kind: io::ErrorKind) -> &'static str {
    match (endpoint, kind) {
        (Endpoint::Unix(_), io::ErrorKind::NotFound) => {
            ": there is no such socket; start the engine (systemctl start docker), \
             or set DOCKER_HOST to where it listens"
        }
        (Endpoint::Unix(_), io::ErrorKind::PermissionDenied) => {
            ": this user may not use the socket; join the group that owns it \
             (usermod -aG docker USER, then log in again) or use sudo"
        }
        (Endpoint::Unix(_), io::ErrorKind::ConnectionRefused) => {
            ": the socket is there but nobody listens; start the engine \
             (systemctl start docker)"
        }
        (Endpoint::Tcp { .. }, io::ErrorKind::ConnectionRefused) => {
            ": nobody listens there; start the engine with this port, or correct DOCKER_HOST"
        }
        (Endpoint::Tcp { .. }, io::ErrorKind::TimedOut) => {
            ": no answer; is DOCKER_HOST right, and does a firewall let this port through?"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call { method: "GET", path: "/containers/x/json".to_owned() }
    }

    fn engine(status: u16, message: &str) -> DockerError {
        DockerError::Engine { call: call(), status, message: message.to_owned() }
    }

    fn connect(kind: io::ErrorKind) -> DockerError {
        DockerError::Connect { endpoint: Endpoint::default(), source: kind.into() }
    }

    #[test]
    fn what_may_pass_by_itself_is_transient() {
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::WouldBlock,
            io::ErrorKind::TimedOut,
        ] {
            assert!(connect(kind).is_transient(), "{kind}");
        }
        for status in [429, 502, 503, 504] {
            assert!(engine(status, "").is_transient(), "{status}");
        }
        let late = DockerError::TimedOut { call: call(), after: Duration::from_secs(60) };
        assert!(late.is_transient());
    }

    #[test]
    fn what_will_not_pass_is_not_transient() {
        let image = || "a".to_owned();
        let source = LoginError::Answer { helper: "h".to_owned() };
        for error in [
            connect(io::ErrorKind::NotFound),
            connect(io::ErrorKind::PermissionDenied),
            engine(400, ""),
            engine(404, ""),
            engine(409, ""),
            engine(500, ""),
            DockerError::Address { address: "x".to_owned(), problem: "" },
            DockerError::Version {
                endpoint: Endpoint::default(),
                disagreement: Disagreement::AskedTooOld(super::super::ApiVersion::new(1, 1)),
            },
            DockerError::Answer { call: call(), source: AnswerError::Truncated },
            DockerError::NotUpgraded { call: call(), status: 200 },
            DockerError::Pull { reference: image(), message: String::new() },
            DockerError::Reference { reference: image(), problem: "" },
            DockerError::Login { registry: "r".to_owned(), source },
            engine(500, "unauthorized: no").of_pull(&Reference::parse("i").unwrap(), false),
            DockerError::Bug(""),
        ] {
            assert!(!error.is_transient(), "{error}");
        }
    }

    #[test]
    fn not_found_and_conflict_are_the_engines_own_words() {
        assert!(engine(404, "").is_not_found() && !engine(404, "").is_conflict());
        assert!(engine(409, "").is_conflict() && !engine(409, "").is_not_found());
        let podmans =
            "can only kill running containers. x is in state exited: container state improper";
        assert!(engine(500, podmans).is_conflict() && !engine(500, "x").is_conflict());
        assert!(!connect(io::ErrorKind::NotFound).is_not_found());
    }

    #[test]
    fn a_pull_that_wants_a_login_is_known_by_the_registrys_words() {
        let wants_a_login = |message: &str| {
            let of = Reference::parse("r:5000/x:1").unwrap();
            let error = engine(500, message).of_pull(&of, false);
            let again = engine(500, message).of_pull(&of, true).to_string();
            let is_wanted = matches!(error, DockerError::NotLoggedIn { .. });
            assert_eq!(again.contains("that login is wrong"), is_wanted, "{again}");
            is_wanted
        };
        for message in [
            "Head \"http://r:5000/v2/x/manifests/1\": no basic auth credentials",
            "unauthorized: access to the requested resource is not authorized",
            "Head \"https://r:5000/v2/x/manifests/1\": unauthorized: incorrect username or password",
            "unexpected status from HEAD request to https://r:5000/v2/x/manifests/1: 401 Unauthorized",
        ] {
            assert!(wants_a_login(message), "{message}");
        }
        for message in [
            "manifest for r:5000/unauthorized-x:1 not found: manifest unknown: manifest unknown",
            "Get \"https://r:5000/v2/\": Proxy Authentication Required",
            "Get \"https://r:5000/v2/\": dial tcp: connection refused",
        ] {
            assert!(!wants_a_login(message), "{message}");
        }
    }

    #[test]
    fn a_start_that_failed_is_read_as_the_docker_command_reads_it() {
        let failure = |message: &str| engine(400, message).start_failure();
        for message in [
            "OCI runtime create failed: exec: \"x\": executable file not found in $PATH: unknown",
            "exec: \"/x\": stat /x: no such file or directory: unknown",
        ] {
            assert_eq!(failure(message), StartFailure::NotFound, "{message}");
        }
        for message in [
            "exec: \"/etc/passwd\": permission denied: unknown",
            "exec: \"/tmp\": is a directory: unknown",
        ] {
            assert_eq!(failure(message), StartFailure::NotExecutable, "{message}");
        }
        assert_eq!(failure("driver failed programming"), StartFailure::Other);
        assert_eq!(connect(io::ErrorKind::NotFound).start_failure(), StartFailure::Other);
    }

    #[test]
    fn the_cause_is_the_source_and_not_in_the_text() {
        let error = DockerError::Connect {
            endpoint: Endpoint::Tcp { host: "h".to_owned(), port: 1 },
            source: io::Error::other("the system's words"),
        };
        assert_eq!(error.to_string(), "cannot connect to the engine at tcp://h:1");
        let source = Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "the system's words");
    }

    #[test]
    fn a_time_limit_is_said_in_seconds() {
        let late = |milliseconds| DockerError::TimedOut {
            call: call(),
            after: Duration::from_millis(milliseconds),
        };
        let says = "no answer to GET /containers/x/json within 60 s";
        assert!(late(60_000).to_string().starts_with(says), "{}", late(60_000));
        assert!(late(1_500).to_string().contains("within 1.5 s"));
    }
}
