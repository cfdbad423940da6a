//! Requests to the engine as values. Pure.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use url::form_urlencoded;

use super::error::{Call, DockerError};
use super::version::ApiVersion;

/// One request, before it is known where it goes.
pub(super) struct Request {
    call: Call,
    query: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path.into())
    }

    pub(super) fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path.into())
    }

    pub(super) fn head(path: impl Into<String>) -> Self {
        Self::new("HEAD", path.into())
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path.into())
    }

    fn new(method: &'static str, path: String) -> Self {
        Self {
            call: Call { method, path },
            query: Vec::new(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn json(mut self, body: Vec<u8>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    pub(super) const fn call(&self) -> &Call {
        &self.call
    }

    /// Puts the request on paper. Without a `version`, the path is the unversioned one.
    pub(super) fn into_http(
        self,
        version: Option<ApiVersion>,
        authority: &str,
    ) -> Result<hyper::Request<Full<Bytes>>, DockerError> {
        let version = version.map_or_else(String::new, |version| format!("/v{version}"));
        let mut target = format!("{version}{}", self.call.path);
        if !self.query.is_empty() {
            target.push('?');
            let start = target.len();
            let mut query = form_urlencoded::Serializer::for_suffix(target, start);
            target = query.extend_pairs(self.query).finish();
        }
        let mut request = hyper::Request::builder()
            .method(self.call.method)
            .uri(target)
            .header(HOST, authority)
            .header(USER_AGENT, AGENT);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body)).map_err(|_| DockerError::Bug("a malformed request"))
    }
}

const AGENT: &str = concat!("gantline/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_encoded_and_stays_out_of_what_errors_show() {
        let request = Request::post("/images/create").query("fromImage", "h:5000/a b&c=d");
        assert_eq!(request.call().to_string(), "POST /images/create");
        let http = request.into_http(Some(ApiVersion::new(1, 41)), "localhost").unwrap();
        assert_eq!(http.uri(), "/v1.41/images/create?fromImage=h%3A5000%2Fa+b%26c%3Dd");
    }

    #[test]
    fn a_ping_has_no_version_in_its_path() {
        let http = Request::get("/_ping").into_http(None, "localhost").unwrap();
        assert_eq!(http.uri(), "/_ping");
        assert_eq!(http.headers()[HOST], "localhost");
        assert!(http.headers()[USER_AGENT].to_str().unwrap().starts_with("gantline/"));
    }
}
