//! One request to the API, and its answer.

use std::io::{self, Read};
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::SendBody;
use ureq::http::{Method, Request};
use url::Url;

use super::client::{Client, MAX_RECORD, TOKEN, reply};
use super::error::GirderError;
use super::reply::{Asked, Reply};
use crate::http::{Get, Payload};

/// A request that is being put together.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Each checked by [`Client::asked`], or fixed.
    pub(super) segments: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Body<'a>,
    pub(super) timeout: Duration,
    /// Bytes that the answer may have.
    pub(super) limit: u64,
    pub(super) manner: Manner,
}

/// When a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Manner {
    /// With the head.
    #[default]
    AtOnce,
    /// When the server has agreed (`Expect: 100-continue`), or says nothing for a second. Who refuses a
    /// body that is under way closes the connection on it, and its reason is lost.
    WhenAgreed,
}

/// What is sent along.
pub(super) enum Body<'a> {
    None,
    /// So many bytes, from a file or read as they are sent.
    Bytes(&'a mut dyn Payload, u64),
    Json(&'a [u8]),
}

impl Body<'_> {
    fn length(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Bytes(_, length) => *length,
            Self::Json(text) => text.len() as u64,
        }
    }
}

impl<'a> Call<'a> {
    /// A request without a body.
    pub(super) fn new(client: &Client, method: Method, segments: &'a [&'a str]) -> Self {
        let timeout = client.shared.timeout;
        let (body, limit, manner) = (Body::None, MAX_RECORD, Manner::AtOnce);
        Self { method, segments, query: &[], body, timeout, limit, manner }
    }
}

impl Client {
    /// Sends a request and reads the record that it is answered with.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        mut call: Call<'_>,
        asked: &Asked<'_>,
    ) -> Result<T, GirderError> {
        let mut url = self.shared.api.join(call.segments);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        if call.method == Method::GET
            && let Some(reply) = self.reply_over_lane(&url, call.limit)
        {
            return reply.record(asked);
        }
        let bytes = call.body.length();
        let sent = self.sent_by_the_data_plane(&mut call, &url, asked);
        let reply = sent.unwrap_or_else(|| self.reply(call, &url, asked))?;
        if reply.status == TOO_LARGE {
            let server = self.shared.api.as_str().to_owned();
            return Err(GirderError::TooLarge { object: asked.object.clone(), server, bytes });
        }
        reply.record(asked)
    }

    /// What Girder says to a request.
    pub(super) fn reply(
        &self,
        call: Call<'_>,
        url: &Url,
        asked: &Asked<'_>,
    ) -> Result<Reply, GirderError> {
        let mut request = Request::builder().method(call.method.clone()).uri(url.as_str());
        if let Some(token) = &self.shared.token {
            request = request.header(TOKEN, token.expose());
        }
        let unusable = |error: ureq::http::Error| GirderError::Request {
            server: self.shared.api.as_str().to_owned(),
            object: asked.object.clone(),
            reason: error.to_string(),
        };
        let (agent, timeout) = (&self.shared.agent, Some(call.timeout));
        let answer = if call.method == Method::GET {
            let request = request.body(()).map_err(unusable)?;
            agent.run(agent.configure_request(request).timeout_global(timeout).build())
        } else {
            let (mut nothing, mut json): (_, &[u8]);
            let (reader, length, kind): (&mut dyn Read, u64, &str) = match call.body {
                Body::None => {
                    nothing = io::empty();
                    (&mut nothing, 0, BYTES)
                }
                Body::Bytes(reader, length) => (reader, length, BYTES),
                Body::Json(text) => {
                    json = text;
                    (&mut json, text.len() as u64, "application/json")
                }
            };
            if call.manner == Manner::WhenAgreed {
                request = request.header("expect", "100-continue");
            }
            let request = request
                .header("content-length", length)
                .header("content-type", kind)
                .body(SendBody::from_reader(reader))
                .map_err(unusable)?;
            agent.run(agent.configure_request(request).timeout_global(timeout).build())
        };
        reply(answer, asked, call.timeout, call.limit)
    }

    /// The answer over the lane, if there is one, and it is 200.
    fn reply_over_lane(&self, url: &Url, limit: u64) -> Option<Reply> {
        let get = Get { is_redirected: false, ..self.get(url.clone()) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        match self.lane.as_ref()?.fetch(&get, limit, &mut body) {
            Ok(()) => Some(Reply { status: 200, location: None, retry_after: None, body }),
            Err(error) => {
                tracing::debug!(%error, "what was asked for is asked for once more");
                None
            }
        }
    }
}

/// The status of a request whose body is too large. It is said by proxies, in HTML.
const TOO_LARGE: u16 = 413;

/// Girder takes a body of this kind as it is.
pub(super) const BYTES: &str = "application/octet-stream";
