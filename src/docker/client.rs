//! An engine that was met, and how a call to it is made.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use serde::de::DeserializeOwned;

use super::conn::{Link, Reply};
use super::endpoint::Endpoint;
use super::error::{AnswerError, Call, DockerError};
use super::request::Request;
use super::settings::Settings;
use super::version::ApiVersion;
use super::{reply, system};

/// An engine that was met. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    version: ApiVersion,
    engine: Option<String>,
}

impl Client {
    /// Meets the engine and agrees on a version.
    ///
    /// # Errors
    /// [`DockerError::Connect`] says what to do when nobody is there;
    /// [`DockerError::Version`] when there is no version that both know.
    pub async fn connect(settings: Settings) -> Result<Self, DockerError> {
        let call = Request::get("/_ping").call().clone();
        let system::Met { version, engine } =
            within(settings.timeout, &call, system::negotiate(&settings)).await?;
        tracing::debug!(endpoint = %settings.endpoint, %version, "met the engine");
        Ok(Self { shared: Arc::new(Shared { settings, version, engine }) })
    }

    /// The version of the API that is spoken.
    pub fn version(&self) -> ApiVersion {
        self.shared.version
    }

    /// The engine's name and version, if it says so.
    pub fn engine(&self) -> Option<&str> {
        self.shared.engine.as_deref()
    }

    /// Where the engine is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.settings.endpoint
    }

    /// Asks whether the engine is there.
    ///
    /// # Errors
    /// It does not say so within `limit`.
    pub async fn ping(&self, limit: Duration) -> Result<(), DockerError> {
        let request = Request::get("/_ping");
        let call = request.call().clone();
        within(limit, &call, async {
            system::send(&self.shared.settings, request, None).await?.accepted().await.map(drop)
        })
        .await
    }

    /// How long it is waited for when it goes away while a container runs.
    pub fn patience(&self) -> Duration {
        self.shared.settings.patience
    }

    /// What it was told at the beginning.
    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// How long a call may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.shared.settings.timeout
    }

    /// Makes a call for its JSON.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, DockerError> {
        let call = request.call().clone();
        let body = self.reply_within(self.timeout(), request).await?;
        reply::json(&call, &body)
    }

    /// Makes a call that has no answer but that it was done.
    pub(super) async fn tell(&self, request: Request) -> Result<(), DockerError> {
        self.tell_within(self.timeout(), request).await
    }

    /// The same, within `limit`. A page of something between us and the engine does not say that it was done.
    pub(super) async fn tell_within(
        &self,
        limit: Duration,
        request: Request,
    ) -> Result<(), DockerError> {
        let call = request.call().clone();
        let reply = self.head_within(limit, request).await?;
        match reply.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Ok(()),
            _ => {
                let source = AnswerError::Unexpected("it does not say that this was done");
                Err(DockerError::Answer { call, source })
            }
        }
    }

    /// Makes a call and reads all of its answer, within `limit`.
    async fn reply_within(
        &self,
        limit: Duration,
        request: Request,
    ) -> Result<Vec<u8>, DockerError> {
        let call = request.call().clone();
        within(limit, &call, async {
            let http = self.on_paper(request)?;
            let link = Link::open(self.endpoint()).await?;
            link.send(call.clone(), http).await?.accepted().await?.body().await
        })
        .await
    }

    /// Makes a call and returns when the head of the answer is here, and a good one.
    pub(super) async fn head(&self, request: Request) -> Result<Reply, DockerError> {
        self.head_within(self.timeout(), request).await
    }

    async fn head_within(&self, limit: Duration, request: Request) -> Result<Reply, DockerError> {
        let call = request.call().clone();
        within(limit, &call, async {
            let http = self.on_paper(request)?;
            let link = Link::open(self.endpoint()).await?;
            link.send(call.clone(), http).await?.accepted().await
        })
        .await
    }

    /// The request as it goes to this engine.
    pub(super) fn on_paper(
        &self,
        request: Request,
    ) -> Result<hyper::Request<Full<Bytes>>, DockerError> {
        request.into_http(Some(self.version()), &self.endpoint().authority())
    }
}

/// Gives `future` up after `limit`, which closes its connection. It is boxed: a call is some ten KiB, and those who
/// make it lie many deep in each other, in a thread's stack.
pub(super) async fn within<T>(
    limit: Duration,
    call: &Call,
    future: impl Future<Output = Result<T, DockerError>>,
) -> Result<T, DockerError> {
    match tokio::time::timeout(limit, Box::pin(future)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(DockerError::TimedOut { call: call.clone(), after: limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::{ContainerId, CreateContainer, ExitWait};

    #[test]
    fn every_call_can_be_awaited_from_any_thread() {
        fn sendable<T: Send>(_: T) {}
        let settings = Settings::default();
        sendable(Client::connect(settings.clone()));
        let shared = Shared { settings, version: ApiVersion::OLDEST, engine: None };
        let client = Client { shared: Arc::new(shared) };
        let id = ContainerId::try_from("0".repeat(64)).unwrap();
        sendable(client.create("n", &CreateContainer::default()));
        sendable(client.attach(&id));
        sendable(client.wait_next_exit(&id));
        sendable(client.start(&id));
        sendable(client.stop(&id, Duration::ZERO));
        sendable(client.list(&[]));
        sendable(client.pull("a", &mut |_| {}));
        let _ = |wait: ExitWait| sendable(wait.exit());
    }
}
