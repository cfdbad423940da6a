//! Where a server's API is, and the URLs below it. Pure.

use url::{Position, Url};

use super::GirderError;

/// The URL of an API, without a slash at its end.
#[derive(Debug, Clone)]
pub(super) struct ApiUrl {
    url: Url,
    /// The proxy that it is reached by, as people may see it.
    proxy: Option<String>,
}

impl ApiUrl {
    /// Parses what a person or a job wrote.
    pub(super) fn parse(text: &str) -> Result<Self, GirderError> {
        let error = |reason| GirderError::Url { url: shown(text), reason };
        let mut url = Url::parse(text.trim()).map_err(|_| {
            error("it is not a URL (it looks like https://girder.example.org/api/v1)")
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(error("it does not start with http:// or https://"));
        }
        if url.host().is_none() {
            return Err(error("it has no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("it has a user in it; Girder takes a token or an API key instead"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(error("it has something behind the path"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self { url, proxy: None })
    }

    /// Reached by way of a proxy.
    pub(super) fn by(self, proxy: Option<String>) -> Self {
        Self { proxy, ..self }
    }

    /// The proxy that passes requests on, and may answer in its place: a tunnel's does not.
    pub(super) fn passing_proxy(&self) -> Option<&str> {
        self.proxy.as_deref().filter(|_| !self.is_https())
    }

    /// What has to be there to reach it, for people.
    pub(super) fn reached(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("{} (by the proxy {proxy})", self.as_str()),
            None => self.as_str().to_owned(),
        }
    }

    /// The URL of one thing; each segment must be checked by [`is_plain`].
    pub(super) fn join(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        // There is a path: it is http or https.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// For people.
    pub(super) fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    pub(super) fn as_url(&self) -> &Url {
        &self.url
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// What is likely wrong with it when something other than Girder's API answers there.
    pub(super) fn hint(&self) -> String {
        let path = self.url.path();
        if path.ends_with("/api/v1") || path.contains("/api/v1/") {
            return "something else than Girder answers there".to_owned();
        }
        format!("Girder's API is usually at {}/api/v1", &self.url[..Position::AfterPort])
    }
}

/// A segment of a path that stays one: what ids are made of.
pub(super) fn is_plain(segment: &str) -> bool {
    (1..=128).contains(&segment.len())
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
        && segment.bytes().any(|byte| byte != b'.')
}

/// What could not be parsed, without what may be secret in it.
fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let text = match text.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://{host}"),
            None => text.to_owned(),
        },
        None => text.to_owned(),
    };
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_make_no_difference() {
        for text in ["http://g:8080/api/v1", "http://g:8080/api/v1/", " http://g:8080/api/v1// "] {
            let api = ApiUrl::parse(text).unwrap();
            assert_eq!(api.as_str(), "http://g:8080/api/v1");
            let file = api.join(&["file", "1", "download"]);
            assert_eq!(file.as_str(), "http://g:8080/api/v1/file/1/download");
        }
        let root = ApiUrl::parse("https://g").unwrap();
        assert_eq!(root.join(&["file", "1"]).as_str(), "https://g/file/1");
        assert_eq!(root.as_str(), "https://g");
        assert!(root.is_https());
    }

    #[test]
    fn what_is_no_api_url_is_refused_without_its_secrets() {
        for text in [
            "",
            "girder.example.org/api/v1",
            "ftp://g/api/v1",
            "http:///api/v1?",
            "http://us:s3cret@g/api/v1",
            "http://g/api/v1?token=s3cret",
            "http://g/api/v1#s3cret",
            "http://us:s3cret@[/api/v1",
        ] {
            let error = ApiUrl::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn a_hint_names_the_usual_place() {
        let hint = |text| ApiUrl::parse(text).unwrap().hint();
        assert!(hint("http://g:8080/girder").ends_with("http://g:8080/api/v1"));
        assert!(hint("http://g:8080/api/v1").contains("something else"));
    }

    #[test]
    fn only_what_stays_a_segment_is_plain() {
        for plain in ["5f3c9e0a1b2c3d4e5f6a7b8c", "a-b_c.d~e", "..a"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["", ".", "..", "a/b", "a b", "a?b", "a%2fb", "\u{e9}", "a\n"] {
            assert!(!is_plain(other), "{other}");
        }
        assert!(!is_plain(&"a".repeat(129)));
    }
}
