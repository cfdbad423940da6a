//! The job in Girder that a run reports to.

use std::collections::BTreeMap;

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
            let job =
                GirderJob { url, headers: BTreeMap::new(), method: GirderJob::METHOD.to_owned() };
            assert_eq!(job.id(), id, "{address}");
        }
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
