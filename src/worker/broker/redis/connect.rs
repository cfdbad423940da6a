//! Makes connections to Redis.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates,
};

use super::super::error::BrokerError;
use super::super::settings::Settings;
use super::link::{ANSWER_TIMEOUT, Link, config};
use crate::worker::url::{RedisUrl, Tls};

/// Connects, logs in, selects the database.
pub(super) async fn connect(url: &RedisUrl, settings: &Settings) -> Result<Arc<Link>, BrokerError> {
    let client = client(url, settings.ca_file.as_deref())?;
    let connection =
        client.get_multiplexed_async_connection_with_config(&config(ANSWER_TIMEOUT)).await;
    let connection = connection.map_err(|error| refusal(url, error))?;
    Link::open(client, connection, url.place()).await
}

/// What makes connections to this address. It does nothing yet.
///
/// # Errors
/// A file that the address names cannot be read.
pub(in super::super) fn client(
    url: &RedisUrl,
    ca_file: Option<&Path>,
) -> Result<Client, BrokerError> {
    let mut login = RedisConnectionInfo::default().set_db(url.db.into());
    if let Some(user) = &url.user {
        login = login.set_username(user);
    }
    if let Some(password) = &url.password {
        login = login.set_password(password.expose());
    }
    let bad =
        |error: RedisError| BrokerError::Address { place: url.place(), why: error.to_string() };
    let info = |addr: ConnectionAddr| -> Result<ConnectionInfo, BrokerError> {
        Ok(addr.into_connection_info().map_err(bad)?.set_redis_settings(login))
    };
    match &url.tls {
        None => Client::open(info(ConnectionAddr::Tcp(url.host.clone(), url.port))?).map_err(bad),
        Some(tls) => {
            let addr = ConnectionAddr::TcpTls {
                host: url.host.clone(),
                port: url.port,
                insecure: !tls.verify,
                tls_params: None,
            };
            let certificates = certificates(url, tls, ca_file)?;
            let client = Client::build_with_tls(info(addr)?, certificates).map_err(bad)?;
            if !tls.verify || tls.check_host_name {
                return Ok(client);
            }
            // The certificates take the place of all that was set before.
            let info = client.get_connection_info().clone();
            let mut addr = info.addr().clone();
            addr.set_danger_accept_invalid_hostnames(true);
            Client::open(info.set_addr(addr)).map_err(bad)
        }
    }
}

fn certificates(
    url: &RedisUrl,
    tls: &Tls,
    ca_file: Option<&Path>,
) -> Result<TlsCertificates, BrokerError> {
    let read = |file: &Path| {
        fs::read(file).map_err(|error| BrokerError::Address {
            place: url.place(),
            why: format!("cannot read {}: {error}", file.display()),
        })
    };
    let client_tls = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), key) => Some(ClientTlsConfig {
            client_cert: read(cert)?,
            // One file may hold both.
            client_key: read(key.as_ref().unwrap_or(cert))?,
        }),
        (None, _) => None,
    };
    let root_cert = tls.ca_file.as_deref().or(ca_file).map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

/// Why there is no connection.
fn refusal(url: &RedisUrl, error: RedisError) -> BrokerError {
    let place = url.place();
    let user = url.user.clone().unwrap_or_else(|| "default".to_owned());
    match error.kind() {
        ErrorKind::AuthenticationFailed => BrokerError::Login { place, user },
        ErrorKind::Server(_) if error.code() == Some("NOAUTH") => {
            BrokerError::Login { place, user }
        }
        ErrorKind::InvalidClientConfig => BrokerError::Address { place, why: error.to_string() },
        // What is asked of a server that has let us in is the database.
        ErrorKind::Server(redis::ServerErrorKind::ResponseError) => {
            BrokerError::Vhost { place, vhost: format!("database {}", url.db), user }
        }
        // Its own words are its cause's words: as text they are said once.
        _ => BrokerError::Unreachable { place, source: Arc::from(Box::from(error.to_string())) },
    }
}
