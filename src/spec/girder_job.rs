//! The job in Girder that a run reports to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::secret::{HttpUrl, Secret};

/// Where status, log and progress of a run are sent, as Girder's `jobInfoSpec` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GirderJob {
    /// The job's own address, `…/api/v1/job/<id>`.
    pub url: HttpUrl,
    /// Sent with every update; the token is among them.
    pub headers: BTreeMap<String, Secret>,
    /// The request's method: [`GirderJob::METHOD`] if the job does not say.
    pub method: String,
    /// How connections to Girder are made.
    pub session: GirderSession,
}

/// How connections to the Girder of one job are made, beside what the runner says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GirderSession {
    /// Also trusted: the authorities in this PEM file.
    pub ca_file: Option<PathBuf>,
    /// Anybody is trusted.
    pub unverified: bool,
    /// PEM files with a certificate of ours and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Proxies, by the scheme that they are for, or `scheme://host`, or `all`.
    pub proxies: BTreeMap<String, Secret>,
}

impl GirderSession {
    /// The proxy for an address: the nearest one.
    pub(crate) fn proxy_for(&self, address: &HttpUrl) -> Option<&Secret> {
        let url = address.as_url();
        let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
        [format!("{scheme}://{host}"), scheme.to_owned(), format!("all://{host}"), "all".to_owned()]
            .iter()
            .find_map(|name| self.proxies.get(name))
    }
}

impl GirderJob {
    /// How Girder's own jobs are updated.
    pub const METHOD: &str = "PUT";

    /// The job's id: the last component of its address.
    pub fn id(&self) -> Option<&str> {
        self.url.as_url().path_segments()?.rfind(|name| !name.is_empty())
    }

    /// Puts another address in the place of a Girder server's, if the job is at that one.
    pub fn move_girder(&mut self, from: &str, to: &str) {
        let address = moved(self.url.as_url().as_str(), from, to);
        if let Some(address) = address.as_deref().and_then(HttpUrl::parse) {
            self.url = address;
        }
    }
}

/// An address beneath `from` as it is beneath `to`; `None` for any other.
pub(super) fn moved(address: &str, from: &str, to: &str) -> Option<String> {
    let rest = address.strip_prefix(from.trim_end_matches('/'))?;
    let beneath = rest.is_empty() || rest.starts_with('/');
    beneath.then(|| format!("{}{rest}", to.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_last_component_of_the_address() {
        for (address, id) in [
            ("http://host/api/v1/job/5f", Some("5f")),
            ("http://host/api/v1/job/5f/?x=y", Some("5f")),
            ("http://host/", None),
        ] {
            let url = HttpUrl::parse(address).unwrap();
            let job = GirderJob {
                url,
                headers: BTreeMap::new(),
                method: GirderJob::METHOD.to_owned(),
                session: GirderSession::default(),
            };
            assert_eq!(job.id(), id, "{address}");
        }
    }

    #[test]
    fn the_nearest_proxy_is_the_one_for_an_address() {
        let proxies = [("https://a", "1"), ("https", "2"), ("all://b", "3"), ("all", "4")];
        let proxies =
            proxies.map(|(name, proxy)| (name.to_owned(), Secret::new(proxy))).into_iter();
        let session = GirderSession { proxies: proxies.collect(), ..GirderSession::default() };
        for (address, proxy) in
            [("https://a/x", "1"), ("https://b/x", "2"), ("http://b/x", "3"), ("http://c", "4")]
        {
            let found = session.proxy_for(&HttpUrl::parse(address).unwrap()).unwrap();
            assert_eq!(found.expose(), proxy, "{address}");
        }
        let none = GirderSession::default();
        assert_eq!(none.proxy_for(&HttpUrl::parse("http://c").unwrap()), None);
    }

    #[test]
    fn an_address_moves_only_where_it_begins_with_the_messages() {
        let to = "http://inside:8080/api/v1/";
        let moved = |address| moved(address, "http://girder/api/v1", to);
        assert_eq!(
            moved("http://girder/api/v1/job/1").as_deref(),
            Some("http://inside:8080/api/v1/job/1")
        );
        assert_eq!(moved("http://girder/api/v10/job/1"), None);
        assert_eq!(moved("http://other/api/v1/job/1"), None);
    }
}
