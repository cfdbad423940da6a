//! What can go wrong with a request to Girder.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::JobStatus;
use crate::http::HttpError;

/// Why Girder did not give what was asked for. An `object` is what it was, with its id.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GirderError {
    /// The URL of the API cannot be used.
    #[error("cannot use {url:?} as the URL of a Girder API: {reason}")]
    Url {
        /// The URL, without what may be secret in it.
        url: String,
        /// Why not.
        reason: &'static str,
    },
    /// A token or key cannot be sent.
    #[error("cannot use the Girder {what}: {reason}")]
    Secret {
        /// `token` or `API key`.
        what: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// No request can be made of what was given.
    #[error("cannot make a request to Girder at {server} about {object}: {reason}")]
    Request {
        /// The API's URL.
        server: String,
        /// What was to be asked for.
        object: String,
        /// Why not.
        reason: String,
    },
    /// No connection.
    #[error("cannot reach Girder at {server}{}", unreachable_hint(source))]
    Unreachable {
        /// The API's URL.
        server: String,
        /// Why not.
        source: io::Error,
    },
    /// No answer in time.
    #[error("Girder at {server} has not answered within {} s about {object}", after.as_secs_f32())]
    TimedOut {
        /// The API's URL.
        server: String,
        /// What was asked for.
        object: String,
        /// The limit.
        after: Duration,
    },
    /// TLS, or the certificates for it.
    #[error("cannot make a secure connection to Girder at {server}")]
    Tls {
        /// The API's URL.
        server: String,
        /// Why not.
        source: HttpError,
    },
    /// A proxy answers in the server's place, and does not pass the request on.
    #[error("cannot reach Girder at {server}")]
    Proxy {
        /// The API's URL.
        server: String,
        /// What the proxy says.
        source: HttpError,
    },
    /// The answer is not HTTP, or cannot be told from one.
    #[error("cannot understand the answer of {server}: {reason}")]
    Protocol {
        /// The API's URL.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A redirect, which is not followed because the token would be sent along.
    #[error("{server} redirects to {}: use that as the URL of the Girder API", location.as_deref().unwrap_or("nowhere"))]
    Redirected {
        /// The API's URL.
        server: String,
        /// Where it says the object is, without the object.
        location: Option<String>,
    },
    /// Something answers, and it is not Girder's API.
    #[error("there is no Girder API at {server} (status {status}): {hint}")]
    NotAnApi {
        /// The API's URL.
        server: String,
        /// The status of the answer.
        status: u16,
        /// What is likely wrong.
        hint: String,
    },
    /// The id is none.
    #[error("{object} cannot exist: that is not an id of Girder's (24 hexadecimal digits)")]
    InvalidId {
        /// What was asked for.
        object: String,
    },
    /// It is not there.
    #[error("there is no {object} at {server}{}", says(message.as_deref()))]
    NotFound {
        /// What was asked for.
        object: String,
        /// The API's URL.
        server: String,
        /// What Girder says.
        message: Option<String>,
    },
    /// The server's API has nothing at that path: a plugin is missing.
    #[error("Girder at {server} has no such thing for {object}: a plugin of it is missing")]
    NoRoute {
        /// What was asked for.
        object: String,
        /// The API's URL.
        server: String,
    },
    /// 401: Girder does not know who asks.
    #[error("Girder at {server} does not give {object} to {}{}", whom(*with_token), says(message.as_deref()))]
    Unauthorized {
        /// What was asked for.
        object: String,
        /// The API's URL.
        server: String,
        /// Whether a token was sent.
        with_token: bool,
        /// What Girder says.
        message: Option<String>,
    },
    /// 403: Girder knows who asks, and does not give it to them.
    #[error("the token's user has no access to {object} at {server}{}", says(message.as_deref()))]
    Forbidden {
        /// What was asked for.
        object: String,
        /// The API's URL.
        server: String,
        /// What Girder says.
        message: Option<String>,
    },
    /// Who asks may see it, and not change it.
    #[error("the token's user may only read {object} at {server}, and not write to it")]
    ReadOnly {
        /// What was to be written to.
        object: String,
        /// The API's URL.
        server: String,
    },
    /// 413: the server, or a proxy before it, takes no request with so many bytes.
    #[error(
        "a request with {bytes} bytes about {object} is too large for {server}, or for a proxy before it \
         (status 413; nginx calls its limit client_max_body_size, and Girder needs 5 MiB or more)"
    )]
    TooLarge {
        /// What was sent.
        object: String,
        /// The API's URL.
        server: String,
        /// Bytes of the request's body.
        bytes: u64,
    },
    /// The API key is not one of that server's.
    #[error("Girder at {server} does not accept the API key{}", says(message.as_deref()))]
    ApiKeyRefused {
        /// The API's URL.
        server: String,
        /// What Girder says.
        message: Option<String>,
    },
    /// Any other status.
    #[error("Girder at {server} answered with status {status} about {object}{}", says(message.as_deref()))]
    Status {
        /// What was asked for.
        object: String,
        /// The API's URL.
        server: String,
        /// The status.
        status: u16,
        /// What Girder says.
        message: Option<String>,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// 400: a job cannot come from the status that it has to this one.
    #[error("the job at {server} does not become {}{}", status.as_str(), says(message.as_deref()))]
    JobStatus {
        /// The API's URL.
        server: String,
        /// The status that it does not take.
        status: JobStatus,
        /// What Girder says.
        message: Option<String>,
    },
    /// The record is not what it should be.
    #[error("cannot understand what Girder at {server} says about {object}")]
    Record {
        /// What was asked for.
        object: String,
        /// The API's URL.
        server: String,
        /// Why not.
        source: serde_json::Error,
    },
}

impl GirderError {
    /// How long the server wants to be left alone, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same question may be answered in a moment. One that was not answered in all its time is not asked
    /// again: that was long enough.
    pub(crate) fn is_worth_asking_again(&self) -> bool {
        self.is_transient() && !matches!(self, Self::TimedOut { .. })
    }

    /// The server, if it does not know what was asked for at all: another version may.
    pub fn server_without_route(&self) -> Option<&str> {
        match self {
            Self::NoRoute { server, .. } => Some(server),
            _ => None,
        }
    }

    /// Whether a request with fewer bytes might be taken.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }

    /// Whether somebody else has answered in Girder's place: the address is wrong, or a proxy has lost its server for
    /// a while, or shows a page for as long as somebody works on it. Who knows that the address is right may ask again.
    pub fn is_of_another(&self) -> bool {
        matches!(self, Self::NotAnApi { status: 200..300 | 404, .. })
    }

    /// Whether no word of it is Girder's: a page of any status, or a redirect to one. Where Girder has answered before, the
    /// address is right, and it will again.
    pub(crate) fn is_no_word_of_girders(&self) -> bool {
        matches!(self, Self::NotAnApi { .. } | Self::Redirected { .. })
    }

    /// Whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Url { .. }
            | Self::Secret { .. }
            | Self::Request { .. }
            | Self::Tls { .. }
            | Self::Proxy { .. }
            | Self::Protocol { .. }
            | Self::Redirected { .. }
            | Self::NotAnApi { .. }
            | Self::InvalidId { .. }
            | Self::NotFound { .. }
            | Self::NoRoute { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::ReadOnly { .. }
            | Self::TooLarge { .. }
            | Self::ApiKeyRefused { .. }
            | Self::JobStatus { .. }
            | Self::Record { .. } => false,
        }
    }
}

fn says(message: Option<&str>) -> String {
    message.map(|message| format!(" (it says: {message})")).unwrap_or_default()
}

fn whom(with_token: bool) -> &'static str {
    if with_token {
        "this token: it is not valid, or has expired"
    } else {
        "just anybody: a token or an API key is needed"
    }
}

fn unreachable_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => ": is it running, and is the port right?",
        io::ErrorKind::NotFound => ": is the host's name right?",
        _ => "",
    }
}
