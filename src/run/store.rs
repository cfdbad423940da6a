//! The store of a run's job: where its files come from and its results go. Which Girder server that is, and how it is
//! talked to, is known here and to the [`store`](crate::store) itself.

#[cfg(feature = "command")]
use std::path::PathBuf;

use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::blocking::blocking;
use super::error::Cause;
use super::settings::RunSettings;
use crate::backoff::Backoff;
#[cfg(feature = "command")]
use crate::http::Proxies;
use crate::http::{self, ClientOptions};
use crate::span::carried;
use crate::spec::JobSpec;
#[cfg(feature = "command")]
use crate::store::StoreError;
use crate::store::{FileRecord, GirderSettings, Server, Store, StoreOptions};

/// What the stores of jobs are opened with.
#[derive(Debug, Clone, Default)]
pub(super) struct Stores {
    girder: GirderSettings,
    options: StoreOptions,
    /// What brings files there.
    http: Option<http::Client>,
}

impl Stores {
    /// The Girder server of jobs that name none.
    pub(super) fn set_girder(&mut self, girder: GirderSettings) {
        self.girder = girder;
    }

    /// Stores are talked to as the servers of downloads are, by `http` that was made with these options.
    pub(super) fn talk_as(&mut self, options: &ClientOptions, http: &http::Client) {
        self.options = StoreOptions {
            ca_files: options.ca_files.clone(),
            user_agent: options.user_agent.clone(),
            proxies: options.proxies.clone(),
            resolver: http.resolver().clone(),
            ..StoreOptions::default()
        };
        self.http = Some(http.clone());
    }

    /// The same with a run's own server.
    pub(super) fn with(&self, own: Option<OwnGirder>) -> Self {
        let girder = own.map_or_else(|| self.girder.clone(), |own| own.0);
        Self { girder, ..self.clone() }
    }

    /// The store of one job. Nothing is sent yet.
    pub(super) fn of(&self, job: &JobSpec) -> JobStore {
        let (server, options) = (self.girder.server_for(job), self.options.clone());
        JobStore { server, options, http: self.http.clone(), opened: OnceCell::new() }
    }
}

/// A file's record. A server that is started again, or is busy, is asked again.
pub(super) async fn record(client: &Store, file: &str) -> Result<FileRecord, Cause> {
    let mut backoff = Backoff::of_a_question(client.patience());
    loop {
        let (asking, id) = (client.clone(), file.to_owned());
        let answered = spawn_blocking(carried(move || asking.file(&id))).await;
        let error = match answered.map_err(|_| Cause::Bug("a question to Girder panicked"))? {
            Ok(record) => return Ok(record),
            Err(error) if error.is_worth_asking_again() && backoff.may_try_again() => error,
            Err(error) => return Err(error.into()),
        };
        tracing::debug!(%error, file, "Girder is asked again");
        sleep(backoff.failed(error.retry_after())).await;
    }
}

/// A store whose server is asked again for a token, if there is a key to be changed for one.
async fn opened(server: Server, options: &StoreOptions) -> Result<Store, Cause> {
    let mut backoff = Backoff::of_a_question(server.patience());
    loop {
        let (server, options) = (server.clone(), options.clone());
        let error = match blocking(move || Ok(server.open(&options))).await? {
            Ok(store) => return Ok(store),
            Err(error) if error.is_worth_asking_again() && backoff.may_try_again() => error,
            Err(error) => return Err(error.into()),
        };
        tracing::debug!(%error, "Girder is asked again for a token");
        sleep(backoff.failed(error.retry_after())).await;
    }
}

/// The Girder server that one run is given.
pub(super) struct OwnGirder(GirderSettings);

impl RunSettings {
    /// The Girder server, if the job names none, and how to be let in.
    pub fn with_girder(mut self, girder: GirderSettings) -> Self {
        self.girder = Some(OwnGirder(girder));
        self
    }
}

/// A store that is used without a job.
#[cfg(feature = "command")]
#[derive(Debug)]
pub(crate) struct NamedStore {
    pub(crate) girder: GirderSettings,
    pub(crate) ca_files: Vec<PathBuf>,
    pub(crate) proxies: Proxies,
}

#[cfg(feature = "command")]
impl NamedStore {
    /// Opens it. None: nobody names a server.
    pub(super) fn open(self) -> Option<Result<Store, StoreError>> {
        let Self { girder, ca_files, proxies } = self;
        let http = ClientOptions::default().with_ca_files(ca_files.clone());
        let http = http.with_proxies(proxies.clone());
        let options = StoreOptions { ca_files, proxies, ..StoreOptions::default() };
        let opened = girder.server()?.open(&options);
        // Files of authorities that cannot be used are that error already.
        Some(opened.map(|store| match http::Client::new(http) {
            Ok(http) => store.sending_over(http),
            Err(_) => store,
        }))
    }
}

/// The store of one job.
#[derive(Debug)]
pub(super) struct JobStore {
    server: Option<Server>,
    options: StoreOptions,
    http: Option<http::Client>,
    opened: OnceCell<Store>,
}

impl JobStore {
    /// Whether the job, or somebody else, names a server.
    pub(super) fn is_named(&self) -> bool {
        self.server.is_some()
    }

    /// The URL of its REST API.
    pub(super) fn url(&self) -> Option<&str> {
        self.server.as_ref().map(Server::url)
    }

    /// How it is talked to.
    pub(super) fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Opens it, once.
    ///
    /// # Errors
    /// Nobody names a server, or the server cannot be used.
    pub(super) async fn open(&self) -> Result<Store, Cause> {
        let open = || async {
            let server = self.server.clone().ok_or(Cause::NoGirder)?;
            let store = opened(server, &self.options).await?;
            Ok(match &self.http {
                Some(http) => store.sending_over(http.clone()),
                None => store,
            })
        };
        self.opened.get_or_try_init(open).await.cloned()
    }
}
