//! Meeting the engine.

use std::time::SystemTime;

use serde::Deserialize;

use super::conn::{Link, Reply};
use super::error::{AnswerError, DockerError};
use super::reply;
use super::request::Request;
use super::version::ApiVersion;
use super::{Client, Settings, clock};

/// An engine that has answered.
pub(super) struct Met {
    /// The version of the API to speak.
    pub(super) version: ApiVersion,
    /// Its name and version, if it says so.
    pub(super) engine: Option<String>,
}

impl Client {
    /// What the engine's clock says.
    ///
    /// # Errors
    /// Those of every call; [`DockerError::Answer`] if it does not say.
    pub async fn clock(&self) -> Result<SystemTime, DockerError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Info {
            #[serde(default, deserialize_with = "reply::nullable")]
            system_time: String,
        }
        let request = Request::get("/info");
        let call = request.call().clone();
        let info: Info = self.ask(request).await?;
        clock::read(&info.system_time).ok_or(DockerError::Answer {
            call,
            source: AnswerError::Unexpected("its SystemTime is no time"),
        })
    }
}

/// Asks for the engine's newest version and picks the one to speak.
///
/// The ping has no version in its path: engines refuse versions that they do not know, and newer
/// ones refuse old versions too.
pub(super) async fn negotiate(settings: &Settings) -> Result<Met, DockerError> {
    let ping = send(settings, Request::get("/_ping"), None).await?.accepted().await?;
    let name = ping.header("server").map(product);
    let engine = match ping.header("api-version").map(str::parse) {
        Some(Ok(version)) => version,
        Some(Err(_)) => return Err(unexpected(&ping, "its Api-Version is no version")),
        None => ask(settings).await?,
    };
    let version = ApiVersion::negotiate(settings.api_version, engine).map_err(|disagreement| {
        DockerError::Version { endpoint: settings.endpoint.clone(), disagreement }
    })?;
    if settings.api_version.is_some() {
        // Whether it is too old for this engine, only the engine knows.
        send(settings, Request::get("/_ping"), Some(version)).await?.accepted().await?;
    }
    Ok(Met { version, engine: name })
}

/// `Docker 20.10.24` of `Docker/20.10.24 (linux)`.
fn product(header: &str) -> String {
    let product = header.split(' ').next().unwrap_or_default();
    product.replacen('/', " ", 1).replacen("Libpod", "Podman", 1)
}

/// For what serves the API but leaves the header out.
async fn ask(settings: &Settings) -> Result<ApiVersion, DockerError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Version {
        api_version: String,
    }
    let answer = send(settings, Request::get("/version"), None).await?.accepted().await?;
    let call = answer.call().clone();
    let version: Version = reply::json(&call, &answer.body().await?)?;
    version.api_version.parse().map_err(|_| DockerError::Answer {
        call,
        source: AnswerError::Unexpected("its ApiVersion is no version"),
    })
}

/// Sends a request to an engine that may not have been met.
pub(super) async fn send(
    settings: &Settings,
    request: Request,
    version: Option<ApiVersion>,
) -> Result<Reply, DockerError> {
    let call = request.call().clone();
    let http = request.into_http(version, &settings.endpoint.authority())?;
    Link::open(&settings.endpoint).await?.send(call, http).await
}

fn unexpected(reply: &Reply, what: &'static str) -> DockerError {
    DockerError::Answer { call: reply.call().clone(), source: AnswerError::Unexpected(what) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_called_by_its_name_and_version() {
        assert_eq!(product("Docker/20.10.24+dfsg1 (linux)"), "Docker 20.10.24+dfsg1");
        assert_eq!(product("Libpod/4.3.1 (linux)"), "Podman 4.3.1");
        assert_eq!(product("other"), "other");
    }
}
