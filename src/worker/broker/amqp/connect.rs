//! Makes a connection to RabbitMQ.

use std::sync::Arc;

use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use rustls::ClientConfig;

use super::super::error::{BrokerError, Cause};
use super::super::settings::Settings;
use super::link::{ACCESS_REFUSED, Link, NOT_ALLOWED, code};
use super::wire;
use crate::worker::url::{AmqpUrl, Tls};

/// Connects, logs in, opens the vhost.
pub(super) async fn connect(url: &AmqpUrl, settings: &Settings) -> Result<Arc<Link>, BrokerError> {
    let tls = tls(url, settings)?;
    // lapin's own recovery stays off: it would bring back channels behind our back, whose messages are no
    // longer ours.
    let name = format!("gantline worker {}", settings.hostname);
    let properties = ConnectionProperties::default()
        .with_connection_name(name.into())
        .with_client_property("product".into(), "gantline".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
    let (host, port) = (url.host.clone(), url.port);
    let dial = async move |_, _| {
        let connected = wire::connect((&host, port), tls.clone()).await?;
        Ok(AsyncTcpStream::Plain(connected))
    };
    let connection = Connection::connector(uri(url), wire::runtime(), dial, properties).await;
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
            frame_max: Some(FRAME_BYTES),
            ..AMQPQueryString::default()
        },
    }
}

/// The settings of TLS, if the address wants it.
fn tls(url: &AmqpUrl, settings: &Settings) -> Result<Option<Arc<ClientConfig>>, BrokerError> {
    let Some(Tls { verify, check_host_name, ca_file, cert_file, key_file }) = &url.tls else {
        return Ok(None);
    };
    let refused = |why| BrokerError::Address { place: url.place(), why };
    if !(*verify && *check_host_name) {
        let why = "an amqps connection always checks the broker's certificate; name its authority \
                   with --ca-file";
        return Err(refused(why.to_owned()));
    }
    let ca_file = ca_file.as_deref().or(settings.ca_file.as_deref());
    // One file may hold both.
    let own = cert_file.as_deref().map(|cert| (cert, key_file.as_deref().unwrap_or(cert)));
    wire::tls(ca_file, own).map(Some).map_err(|error| refused(error.to_string()))
}

/// Why there is no connection. RabbitMQ says 403 to a wrong password, and 530 to a vhost that is not there or not
/// for this user.
fn refusal(url: &AmqpUrl, error: lapin::Error) -> BrokerError {
    let (place, user) = (url.place(), url.user.clone());
    match code(&error) {
        Some(ACCESS_REFUSED) => BrokerError::Login { place, user },
        Some(NOT_ALLOWED) => {
            BrokerError::Vhost { place, vhost: format!("vhost `{}`", url.vhost), user }
        }
        _ => BrokerError::Unreachable { place, source: cause(error) },
    }
}

/// lapin's words repeat those of the system.
fn cause(error: lapin::Error) -> Cause {
    match error.kind() {
        ErrorKind::IOError(system) => Arc::clone(system) as Cause,
        _ => Arc::new(error),
    }
}

/// Both sides send something this often, and give up after twice the time without anything: a connection whose other
/// end is gone without a word is found within 50 seconds.
const HEARTBEAT_SECONDS: u16 = 20;

/// The longest frame: RabbitMQ's own, and py-amqp's. A message's headers have to fit into one. lapin makes two buffers of 32
/// such frames, 8 MiB; where it hears the length only from the broker, it writes them full of zeroes, and they are resident.
const FRAME_BYTES: u32 = 131_072;
