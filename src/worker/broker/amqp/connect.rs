//! Makes a connection to RabbitMQ.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties};

use super::super::error::BrokerError;
use super::super::settings::Settings;
use super::link::{ACCESS_REFUSED, Link, NOT_ALLOWED, code};
use super::place;
use crate::worker::url::{AmqpUrl, Tls};

/// Connects, logs in, opens the vhost.
pub(super) async fn connect(url: &AmqpUrl, settings: &Settings) -> Result<Arc<Link>, BrokerError> {
    let tls = match &url.tls {
        Some(tls) => tls_config(url, tls, settings)?,
        None => OwnedTLSConfig::default(),
    };
    // lapin's own recovery stays off: it would bring back channels behind our back, whose messages are no
    // longer ours.
    let name = format!("gantline worker {}", settings.hostname);
    let properties = ConnectionProperties::default()
        .with_connection_name(name.into())
        .with_client_property("product".into(), "gantline".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
    let runtime = lapin::runtime::default_runtime().map_err(|error| refusal(url, error))?;
    let connection = Connection::connect_uri_with_config(uri(url), properties, tls, runtime).await;
    Ok(Link::new(connection.map_err(|error| refusal(url, error))?))
}

/// Built from its parts, not from a text: for lapin the path `/` is the vhost without a name.
fn uri(url: &AmqpUrl) -> AMQPUri {
    AMQPUri {
        scheme: if url.tls.is_some() { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: url.user.clone(),
                password: url.password.expose().to_owned(),
            },
            host: url.host.clone(),
            port: url.port,
        },
        vhost: url.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(HEARTBEAT_SECONDS),
            connection_timeout: Some(TCP_TIMEOUT_MS),
            ..AMQPQueryString::default()
        },
    }
}

fn tls_config(
    url: &AmqpUrl,
    tls: &Tls,
    settings: &Settings,
) -> Result<OwnedTLSConfig, BrokerError> {
    if !(tls.verify && tls.check_host_name) {
        let why = "an amqps connection always checks the broker's certificate; name its authority \
                   with --ca-file";
        return Err(BrokerError::Address { place: place(url), why: why.to_owned() });
    }
    let ca_file = tls.ca_file.as_ref().or(settings.ca_file.as_ref());
    let identity = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), key) => Some(OwnedIdentity::PKCS8 {
            pem: read(url, cert)?,
            // One file may hold both.
            key: read(url, key.as_ref().unwrap_or(cert))?,
        }),
        (None, _) => None,
    };
    let cert_chain = match ca_file {
        Some(file) => Some(String::from_utf8_lossy(&read(url, file)?).into_owned()),
        None => None,
    };
    Ok(OwnedTLSConfig { identity, cert_chain })
}

fn read(url: &AmqpUrl, file: &Path) -> Result<Vec<u8>, BrokerError> {
    fs::read(file).map_err(|error| BrokerError::Address {
        place: place(url),
        why: format!("cannot read {}: {error}", file.display()),
    })
}

/// Why there is no connection. RabbitMQ says 403 to a wrong password, and 530 to a vhost that is not there or not
/// for this user.
fn refusal(url: &AmqpUrl, error: lapin::Error) -> BrokerError {
    let (place, user) = (place(url), url.user.clone());
    match code(&error) {
        Some(ACCESS_REFUSED) => BrokerError::Login { place, user },
        Some(NOT_ALLOWED) => {
            BrokerError::Vhost { place, vhost: format!("vhost `{}`", url.vhost), user }
        }
        _ => BrokerError::Unreachable { place, source: Arc::new(error) },
    }
}

/// Both sides send something this often, and give up after twice the time without anything: a connection whose other
/// end is gone without a word is found within 50 seconds.
const HEARTBEAT_SECONDS: u16 = 20;

const TCP_TIMEOUT_MS: u64 = 10_000;
