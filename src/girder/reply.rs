//! What an answer of Girder's means. Pure.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::GirderError;
use super::url::ApiUrl;
use crate::http::{HttpError, excerpt};
use crate::secret;

/// An answer, whole.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    /// What the server asks for before the next request.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// What was asked, of whom.
pub(super) struct Asked<'a> {
    pub(super) api: &'a ApiUrl,
    /// What it is for people: `file 5f3c…`.
    pub(super) object: String,
    /// Whether the id looks like one of Girder's.
    pub(super) object_id: bool,
    /// Values that were sent along and are not to be shown, whatever the server says; none: nothing
    /// let us in.
    pub(super) secrets: Vec<&'a str>,
    /// Whether it changes something: then 400 is said of what was sent.
    pub(super) is_write: bool,
}

impl Reply {
    /// The record in it.
    ///
    /// # Errors
    /// It is another status than 200, or no record.
    pub(super) fn record<T: DeserializeOwned>(&self, asked: &Asked<'_>) -> Result<T, GirderError> {
        let is_json = self.body.trim_ascii_start().starts_with(b"{")
            || self.body.trim_ascii_start().starts_with(b"[");
        let server = || asked.api.as_str().to_owned();
        let object = || asked.object.clone();
        if self.status == 200 && is_json {
            return serde_json::from_slice(&self.body).map_err(|source| GirderError::Record {
                object: object(),
                server: server(),
                source,
            });
        }
        let (object, server) = (object(), server());
        let message = excerpt::message(&self.body, |text| {
            secret::without(asked.secrets.iter().copied(), text)
        });
        let (status, retry_after) = (self.status, self.retry_after);
        let other = |object, server, message| GirderError::Status {
            object,
            server,
            status,
            message,
            retry_after,
        };
        if let Some(proxy) = asked.api.passing_proxy()
            && (status == 407 || matches!(status, 401 | 403) && !is_json)
        {
            let place = server.clone();
            let source = HttpError::Proxy { proxy: proxy.to_owned(), place, status };
            return Err(GirderError::Proxy { server, source });
        }
        match status {
            300..400 => {
                let location = self.location.as_deref().map(|place| place_of(place, asked));
                Err(GirderError::Redirected { server, location })
            }
            // A proxy's own pages for these are HTML.
            408 | 429 | 500.. => Err(other(object, server, message)),
            401 => {
                let with_token = !asked.secrets.is_empty();
                Err(GirderError::Unauthorized { object, server, with_token, message })
            }
            _ if !is_json => Err(GirderError::NotAnApi { server, status, hint: asked.api.hint() }),
            // Girder 5 says 400 of a route that it does not have.
            400 | 404 if message.as_deref().is_some_and(|text| text.starts_with(NO_ROUTE)) => {
                Err(GirderError::NoRoute { object, server })
            }
            // Girder says 400 of an id that is none, and of one that nothing has.
            400 if !asked.object_id => Err(GirderError::InvalidId { object }),
            400 if asked.is_write => Err(other(object, server, message)),
            400 | 404 => Err(GirderError::NotFound { object, server, message }),
            403 => Err(GirderError::Forbidden { object, server, message }),
            _ => Err(other(object, server, message)),
        }
    }
}

/// Where a redirect leads, without what was asked for: the URL that should have been used.
fn place_of(location: &str, asked: &Asked<'_>) -> String {
    let Ok(url) = asked.api.join(&[""]).join(location) else { return "something else".to_owned() };
    let whole = crate::http::place(&url);
    match whole.find("/file/").or_else(|| whole.find("/api_key/")) {
        Some(end) => whole.chars().take(end).collect(),
        None => whole,
    }
}

/// What Girder says of a path that it does not know.
const NO_ROUTE: &str = "No matching route";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::girder::FileRecord;

    fn error(status: u16, body: &str, object_id: bool) -> GirderError {
        let api = ApiUrl::parse("http://g/api/v1").unwrap();
        let object = "file 1".to_owned();
        let asked =
            Asked { api: &api, object, object_id, secrets: vec!["t0ken-t0ken"], is_write: false };
        let location = Some("https://g/api/v1/file/1?token=s3cret".to_owned());
        let retry_after = Some(Duration::from_secs(12));
        let reply = Reply { status, location, retry_after, body: body.as_bytes().to_vec() };
        reply.record::<FileRecord>(&asked).unwrap_err()
    }

    #[test]
    fn a_token_that_the_server_says_back_is_not_shown() {
        let body = r#"{"message": "the token t0ken-t0ken has expired"}"#;
        for status in [400, 401, 403, 404, 500] {
            let error = error(status, body, true);
            let mut shown = format!("{error:?}");
            let mut next: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = next {
                shown += &error.to_string();
                next = error.source();
            }
            assert!(!shown.contains("t0ken-t0ken"), "{shown}");
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        let json = r#"{"message": "so it is", "type": "rest"}"#;
        assert!(matches!(error(400, json, false), GirderError::InvalidId { .. }));
        assert!(matches!(error(400, json, true), GirderError::NotFound { .. }));
        assert!(matches!(error(404, json, true), GirderError::NotFound { .. }));
        assert!(matches!(error(401, json, true), GirderError::Unauthorized { .. }));
        assert!(matches!(error(403, json, true), GirderError::Forbidden { .. }));
        assert!(matches!(error(418, json, true), GirderError::Status { status: 418, .. }));
        assert!(matches!(error(500, json, true), GirderError::Status { status: 500, .. }));
        for status in [400, 401, 403, 404, 418, 500, 503] {
            let error = error(status, json, true);
            assert!(error.to_string().contains("so it is"), "{error}");
            assert_eq!(error.is_transient(), status >= 500);
            assert_eq!(error.retry_after().is_some(), status == 418 || status >= 500);
        }
    }

    #[test]
    fn what_is_not_json_is_no_api() {
        for status in [200, 404, 403] {
            let error = error(status, "<html><title>Welcome</title></html>", true);
            assert!(matches!(error, GirderError::NotAnApi { .. }), "{error:?}");
        }
        let error = error(502, "<html><title>502 Bad Gateway</title></html>", true);
        assert!(error.to_string().contains("502 Bad Gateway") && error.is_transient(), "{error}");
    }

    #[test]
    fn a_redirect_names_the_url_to_use_without_secrets() {
        let error = error(301, "", true);
        let text = format!("{error} {error:?}");
        assert!(text.contains("redirects to https://g/api/v1: use that"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn a_record_that_makes_no_sense_is_an_error() {
        for body in ["{}", r#"{"_id": 5}"#, "{", r#"{"_id":"1","name":"a","size":-1}"#] {
            assert!(matches!(error(200, body, true), GirderError::Record { .. }), "{body}");
        }
    }
}
