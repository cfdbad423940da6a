//! Images that the engine has.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Client;
use super::error::DockerError;
use super::reference::Reference;
use super::reply;
use super::request::Request;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// `sha256:` and the digest of its configuration.
    pub id: String,
    /// What it is called.
    pub repo_tags: Vec<String>,
    /// What registries call it, by digest.
    pub repo_digests: Vec<String>,
    /// Who its commands run as, when that is not root.
    pub user: Option<String>,
    /// What whoever built it wrote on it.
    pub labels: BTreeMap<String, String>,
}

impl Client {
    /// Looks at an image, by a reference or an id.
    ///
    /// # Errors
    /// [`DockerError::is_not_found`] when the engine does not have it;
    /// [`DockerError::Reference`] when nothing can be called so.
    pub async fn inspect_image(&self, reference: &str) -> Result<Image, DockerError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            id: String,
            #[serde(default, deserialize_with = "reply::nullable")]
            repo_tags: Vec<String>,
            #[serde(default, deserialize_with = "reply::nullable")]
            repo_digests: Vec<String>,
            config: Option<Config>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Config {
            user: Option<String>,
            #[serde(default, deserialize_with = "reply::nullable")]
            labels: BTreeMap<String, String>,
        }
        let reference = Reference::parse(reference)?;
        let path = format!("/images/{}/json", reference.in_path());
        let answer: Answer = self.ask(Request::get(path)).await?;
        let (user, labels) =
            answer.config.map(|config| (config.user, config.labels)).unwrap_or_default();
        Ok(Image {
            id: answer.id,
            repo_tags: answer.repo_tags,
            repo_digests: answer.repo_digests,
            user: user.filter(|user| !user.is_empty()),
            labels,
        })
    }
}
