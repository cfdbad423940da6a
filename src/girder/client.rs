//! The client: asks, blocking, and maps what comes of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Method, Response};
use url::Url;

use super::agent::agent;
use super::auth::{self, Session};
use super::call::Call;
use super::reply::{Asked, Reply};
use super::sender::Sender;
use super::url::{ApiUrl, is_plain};
use super::{ApiKey, Credentials, FileRecord, GirderError, Token};
use crate::backoff::Backoff;
use crate::http::{Get, HeaderValue, HttpError, Lane, Proxies, Resolver};

/// A client of one Girder server. Cheap to clone: the clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
    /// What is asked goes over it first, if there is one.
    pub(super) lane: Option<Arc<Lane>>,
    /// What brings files there, if somebody does beside the agent.
    pub(super) sender: Option<Arc<Sender>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) api: ApiUrl,
    pub(super) token: Option<Token>,
    pub(super) agent: Agent,
    pub(super) timeout: Duration,
    pub(super) patience: Duration,
    /// Whether the data plane reaches the server in the same way, with the same trust.
    pub(super) is_usual: bool,
    /// False once it has shown that it does not.
    pub(super) takes_whole_files: AtomicBool,
}

/// How a client talks.
#[derive(Debug, Clone)]
pub struct Options {
    /// PEM files with authorities that are trusted beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// For one request, from the look-up to the last byte of the answer. Default: 30 s.
    pub timeout: Duration,
    /// For how long who waits for an answer asks again while the server cannot answer: what the pauses are in all.
    /// Default: 6 s. The client itself asks once.
    pub patience: Duration,
    /// What we call ourselves.
    pub user_agent: String,
    /// Anybody is trusted to be the server.
    pub unverified: bool,
    /// PEM files with a certificate of ours and its key, for a server that wants one.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The address of a proxy, in place of all others. It may have a password.
    pub proxy: Option<Token>,
    /// By which way servers are reached.
    pub proxies: Proxies,
    /// Who finds the server's addresses, for all who share it.
    pub resolver: Resolver,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ca_files: Vec::new(),
            timeout: Duration::from_secs(30),
            patience: Backoff::PATIENCE,
            user_agent: concat!("gantline/", env!("CARGO_PKG_VERSION")).to_owned(),
            unverified: false,
            certificate: None,
            proxy: None,
            proxies: Proxies::none(),
            resolver: Resolver::new(),
        }
    }
}

impl Client {
    /// Makes a client. Nothing is sent.
    ///
    /// # Errors
    /// The URL or the token cannot be used.
    pub fn new(api_url: &str, token: Option<Token>) -> Result<Self, GirderError> {
        let credentials = token.map_or(Credentials::Anonymous, Credentials::Token);
        Self::with_options(api_url, credentials, &Options::default())
    }

    /// Makes a client, and has Girder give a token for the key.
    ///
    /// # Errors
    /// The URL or the key cannot be used, or the server gives no token.
    pub fn with_api_key(api_url: &str, key: ApiKey) -> Result<Self, GirderError> {
        Self::with_options(api_url, Credentials::ApiKey(key), &Options::default())
    }

    /// Makes a client. Only an API key is sent at once, for a token.
    ///
    /// # Errors
    /// The URL, the credentials or a CA file cannot be used, or the server gives no token.
    pub fn with_options(
        api_url: &str,
        credentials: Credentials,
        options: &Options,
    ) -> Result<Self, GirderError> {
        let api = ApiUrl::parse(api_url)?;
        let (agent, api) = agent(api, options)?;
        let timeout = options.timeout;
        let token = match credentials {
            Credentials::Anonymous => None,
            Credentials::Token(token) => Some(token),
            Credentials::ApiKey(key) => Some(token_for(&key, &api, &agent, timeout)?),
        };
        if let Some(token) = &token {
            auth::check("token", token.expose())?;
        }
        let Options { unverified, certificate, proxy, .. } = options;
        let is_usual = !unverified && certificate.is_none() && proxy.is_none();
        let shared = Arc::new(Shared {
            api,
            token,
            agent,
            timeout,
            patience: options.patience,
            is_usual,
            takes_whole_files: AtomicBool::new(true),
        });
        Ok(Self { shared, lane: None, sender: None })
    }

    /// The same client, for many who ask at once: records and listings are asked for over the connections of
    /// `lane`. What cannot be had there is asked for once more without it, whose answer says why.
    #[must_use]
    pub fn over(&self, lane: Arc<Lane>) -> Self {
        let lane = self.shared.is_usual.then_some(lane);
        Self { lane, ..self.clone() }
    }

    /// The URL of the API, without a slash at its end.
    pub fn api_url(&self) -> &str {
        self.shared.api.as_str()
    }

    /// For how long a question is asked again, see [`Options`].
    pub fn patience(&self) -> Duration {
        self.shared.patience
    }

    /// The token that is sent with each request.
    pub fn token(&self) -> Option<&Token> {
        self.shared.token.as_ref()
    }

    /// Asks for a file's record.
    ///
    /// # Errors
    /// There is no such file, it is not given to this user, or the server cannot be asked.
    pub fn file(&self, id: &str) -> Result<FileRecord, GirderError> {
        self.call(Call::new(self, Method::GET, &["file", id]), &self.asked("file", id)?)
    }

    /// The GET of a file's bytes, for the data plane. Nothing is sent.
    ///
    /// # Errors
    /// The id cannot be one.
    pub fn download(&self, id: &str) -> Result<Get, GirderError> {
        self.asked("file", id)?;
        Ok(self.get(self.shared.api.join(&["file", id, "download"])))
    }

    /// The GET of all that a folder holds, as an [`Archive`](super::Archive). Nothing is sent, and nothing followed.
    ///
    /// # Errors
    /// The id cannot be one.
    pub fn archive_of_folder(&self, id: &str) -> Result<Get, GirderError> {
        self.archive("folder", id)
    }

    /// The GET of all files of an item that has several, as an [`Archive`](super::Archive).
    ///
    /// # Errors
    /// The id cannot be one.
    pub fn archive_of_item(&self, id: &str) -> Result<Get, GirderError> {
        self.archive("item", id)
    }

    fn archive(&self, kind: &str, id: &str) -> Result<Get, GirderError> {
        self.asked(kind, id)?;
        let get = self.get(self.shared.api.join(&[kind, id, "download"]));
        Ok(Get { is_redirected: false, ..get })
    }

    /// A GET that shows our token.
    pub(super) fn get(&self, url: Url) -> Get {
        let get = Get { patience: self.shared.patience, ..Get::new(url) };
        match &self.shared.token {
            Some(token) => get.with_header(TOKEN, HeaderValue::new(token.expose())),
            None => get,
        }
    }

    /// Checks an id before it becomes part of a URL.
    pub(super) fn asked(&self, kind: &str, id: &str) -> Result<Asked<'_>, GirderError> {
        let shown: String = id.chars().filter(|c| !c.is_control()).take(64).collect();
        let object = format!("{kind} {shown}");
        if !is_plain(id) {
            return Err(GirderError::InvalidId { object });
        }
        let object_id = id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let secrets = self.shared.token.iter().map(Token::expose).collect();
        Ok(Asked { api: &self.shared.api, object, object_id, secrets, is_write: false })
    }
}

/// Has Girder give a token for a key.
fn token_for(
    key: &ApiKey,
    api: &ApiUrl,
    agent: &Agent,
    timeout: Duration,
) -> Result<Token, GirderError> {
    auth::check("API key", key.expose())?;
    let object = "a token for the API key".to_owned();
    let asked =
        Asked { api, object, object_id: true, secrets: vec![key.expose()], is_write: false };
    // In the body, not in the query as Girder's own client does: access logs keep queries.
    let request = agent.post(api.join(&["api_key", "token"]).as_str());
    let answer = reply(request.send_form([("key", key.expose())]), &asked, timeout, MAX_RECORD)?;
    match answer.record::<Session>(&asked) {
        Ok(session) => Ok(Token::new(session.auth_token.token)),
        // Girder says 400 of a key that it does not know.
        Err(
            GirderError::NotFound { server, message, .. }
            | GirderError::Unauthorized { server, message, .. }
            | GirderError::Forbidden { server, message, .. },
        ) => Err(GirderError::ApiKeyRefused { server, message }),
        Err(error) => Err(error),
    }
}

/// Reads an answer whole, or says why there is none.
pub(super) fn reply(
    outcome: Result<Response<ureq::Body>, ureq::Error>,
    asked: &Asked<'_>,
    after: Duration,
    limit: u64,
) -> Result<Reply, GirderError> {
    let error = |error| failure(error, asked, after);
    let mut response = outcome.map_err(error)?;
    let location = response.headers().get("location");
    let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = retry_after.map(Duration::from_secs);
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(error)?;
    Ok(Reply { status, location, retry_after, body })
}

/// What an error of the HTTP client means.
fn failure(error: ureq::Error, asked: &Asked<'_>, after: Duration) -> GirderError {
    let (server, reached) = (asked.api.as_str().to_owned(), asked.api.reached());
    let unreachable = |kind: io::ErrorKind, text: &str| GirderError::Unreachable {
        server: reached.clone(),
        source: io::Error::new(kind, text.to_owned()),
    };
    match error {
        ureq::Error::Io(source) => match rustls_in(&source) {
            Some(cause) => tls_failure(server, cause),
            None => GirderError::Unreachable { server: reached, source },
        },
        ureq::Error::Rustls(source) => tls_failure(server, source),
        ureq::Error::Timeout(_) => {
            GirderError::TimedOut { server, object: asked.object.clone(), after }
        }
        ureq::Error::HostNotFound => {
            unreachable(io::ErrorKind::NotFound, "the host's address is not known")
        }
        ureq::Error::ConnectionFailed => unreachable(io::ErrorKind::Other, "no connection"),
        error @ (ureq::Error::Http(_) | ureq::Error::BadUri(_)) => {
            let (object, reason) = (asked.object.clone(), error.to_string());
            GirderError::Request { server, object, reason }
        }
        other => GirderError::Protocol { server, reason: other.to_string() },
    }
}

fn tls_failure(server: String, source: rustls::Error) -> GirderError {
    let source = HttpError::tls(server.clone(), source);
    GirderError::Tls { server, source }
}

/// The TLS error that an I/O error carries, if that is what it is.
fn rustls_in(error: &io::Error) -> Option<rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>().cloned()
}

/// The header that Girder looks for a token in.
pub(super) const TOKEN: &str = "Girder-Token";

/// Bytes of a record: real ones are below 1 KiB, and metadata may be large.
pub(super) const MAX_RECORD: u64 = 1024 * 1024;
