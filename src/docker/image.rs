//! Images that the engine has.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::{Client, within};
use super::error::DockerError;
use super::reference::Reference;
use super::request::Request;
use super::{Settings, reply, system};

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
    /// What it runs.
    pub command: ImageCommand,
}

/// What an image runs unless a container says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageCommand {
    /// The program, with its first arguments.
    pub entrypoint: Vec<String>,
    /// The program, or the arguments of the entrypoint.
    pub cmd: Vec<String>,
}

/// What the engine says of an image.
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

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    user: Option<String>,
    #[serde(default, deserialize_with = "reply::nullable")]
    entrypoint: Vec<String>,
    #[serde(default, deserialize_with = "reply::nullable")]
    cmd: Vec<String>,
    #[serde(default, deserialize_with = "reply::nullable")]
    labels: BTreeMap<String, String>,
}

impl Client {
    /// Looks at an image, by a reference or an id.
    ///
    /// # Errors
    /// [`DockerError::is_not_found`] when the engine does not have it;
    /// [`DockerError::Reference`] when nothing can be called so.
    pub async fn inspect_image(&self, reference: &str) -> Result<Image, DockerError> {
        Ok(self.ask::<Answer>(inspection(reference)?).await?.into())
    }

    /// [Meets](Self::connect) the engine and looks at an image meanwhile, before it is known which
    /// version is spoken: by the path without one, if none is asked for. None: the engine does not
    /// have it, or is to be asked again.
    ///
    /// # Errors
    /// As of [`Client::connect`]; [`DockerError::TimedOut`] of the image.
    pub async fn connect_and_look(
        settings: Settings,
        reference: &str,
    ) -> Result<(Self, Option<Image>), DockerError> {
        let look = async {
            let request = inspection(reference)?;
            let call = request.call().clone();
            within(settings.timeout, &call, async {
                let reply = system::send(&settings, request, settings.api_version).await?;
                reply::json::<Answer>(&call, &reply.accepted().await?.body().await?)
            })
            .await
        };
        let look = async {
            match look.await {
                Ok(answer) => Ok(Some(Image::from(answer))),
                Err(error @ DockerError::TimedOut { .. }) => Err(error),
                Err(error) => {
                    tracing::debug!(%error, "the image is asked for again");
                    Ok(None)
                }
            }
        };
        tokio::try_join!(Self::connect(settings.clone()), look)
    }
}

fn inspection(reference: &str) -> Result<Request, DockerError> {
    let reference = Reference::parse(reference)?;
    Ok(Request::get(format!("/images/{}/json", reference.in_path())))
}

impl From<Answer> for Image {
    fn from(answer: Answer) -> Self {
        let Config { user, entrypoint, cmd, labels } = answer.config.unwrap_or_default();
        Self {
            id: answer.id,
            repo_tags: answer.repo_tags,
            repo_digests: answer.repo_digests,
            user: user.filter(|user| !user.is_empty()),
            labels,
            command: ImageCommand { entrypoint, cmd },
        }
    }
}
