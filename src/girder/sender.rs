//! Files on their way to Girder, over the data plane's own connections.

use std::io;
use std::sync::Arc;

use ureq::http::Method;
use url::Url;

use super::call::{BYTES, Body, Call, Manner};
use super::client::TOKEN;
use super::reply::{Asked, Reply};
use super::{Client, GirderError};
use crate::http::{self, Answered, HeaderValue, HttpError, LaneError, Outgoing, Pool, Stopper};

/// Brings the bodies of requests to the server.
#[derive(Debug)]
pub(super) struct Sender {
    pool: Arc<Pool>,
    /// It is never stopped: each request has a limit.
    _stopper: Stopper,
}

impl Client {
    /// The same client, whose uploads go over connections of `http`. Where the data plane reaches the server in
    /// another way, or there is no descriptor for it, they go as everything else.
    #[must_use]
    pub fn sending_over(self, http: http::Client) -> Self {
        let sender = match self.shared.is_usual.then(|| Pool::new(http)) {
            Some(Ok((pool, stopper))) => Some(Arc::new(Sender { pool, _stopper: stopper })),
            Some(Err(error)) => {
                tracing::debug!(%error, "uploads go as everything else");
                None
            }
            None => None,
        };
        Self { sender, ..self }
    }

    /// What Girder says to a request that brings bytes. None: it brings none, or goes another way.
    pub(super) fn sent_by_the_data_plane(
        &self,
        call: &mut Call<'_>,
        url: &Url,
        asked: &Asked<'_>,
    ) -> Option<Result<Reply, GirderError>> {
        let sender = self.sender.as_ref().filter(|_| call.method == Method::POST)?;
        let Body::Bytes(payload, length) = &mut call.body else { return None };
        let mut headers = vec![("Accept".to_owned(), HeaderValue::new("application/json"))];
        headers.extend(
            self.shared
                .token
                .as_ref()
                .map(|token| (TOKEN.to_owned(), HeaderValue::new(token.expose()))),
        );
        let outgoing = Outgoing {
            url: url.clone(),
            headers,
            kind: BYTES,
            length: *length,
            asks_first: call.manner == Manner::WhenAgreed,
            limit: call.timeout,
        };
        let most = usize::try_from(call.limit).unwrap_or(usize::MAX);
        let answered = sender.pool.send(&outgoing, *payload, most);
        Some(match answered {
            Ok(Answered { status, location, retry_after, body }) => {
                Ok(Reply { status, location, retry_after, body })
            }
            Err(error) => Err(self.unsent(error, asked)),
        })
    }

    /// What an error of the data plane means.
    fn unsent(&self, error: LaneError, asked: &Asked<'_>) -> GirderError {
        let server = self.shared.api.as_str().to_owned();
        let reached = self.shared.api.reached();
        let object = asked.object.clone();
        let error = match error {
            LaneError::Payload(source) => return GirderError::Unreachable { server, source },
            LaneError::Http(error) => error,
            other => return GirderError::Protocol { server, reason: other.to_string() },
        };
        match error {
            HttpError::TimedOut { after, .. } => GirderError::TimedOut { server, object, after },
            HttpError::Lookup { source, .. }
            | HttpError::Connect { source, .. }
            | HttpError::Connection { source, .. }
            | HttpError::Socket { source } => GirderError::Unreachable { server: reached, source },
            error @ (HttpError::NoAnswer { .. } | HttpError::Truncated { .. }) => {
                let source = io::Error::new(io::ErrorKind::UnexpectedEof, error);
                GirderError::Unreachable { server, source }
            }
            source @ (HttpError::Tls { .. }
            | HttpError::CaFile { .. }
            | HttpError::NoRoots { .. }) => GirderError::Tls { server, source },
            other @ (HttpError::Url { .. }
            | HttpError::Header { .. }
            | HttpError::Proxy { .. }
            | HttpError::ProxyUnusable { .. }) => {
                GirderError::Request { server, object, reason: other.to_string() }
            }
            other => GirderError::Protocol { server, reason: other.to_string() },
        }
    }
}
