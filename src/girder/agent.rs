//! The HTTP client for JSON: whom it trusts, what it shows of itself, by which way it goes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, RustlsConnector, TcpConnector,
};
use ureq::{Agent, Proxy as TunnelProxy};
use url::Position;

use super::client::Options;
use super::error::GirderError;
use super::hosts::Hosts;
use super::url::ApiUrl;
use super::wire::{PassedOn, Passing, Tls};
use crate::http::{HttpError, Proxy, Roots};

/// Makes it, and gives the URL with what lies on the way to it. Nothing is sent.
///
/// # Errors
/// A file cannot be used, or the proxy's address.
pub(super) fn agent(api: ApiUrl, options: &Options) -> Result<(Agent, ApiUrl), GirderError> {
    let way = Way::to(&api, options)?;
    let api = api.by(way.proxy);
    let tls = |source| GirderError::Tls { server: api.as_str().to_owned(), source };
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // Followed, they would carry the token to wherever they lead.
        .max_redirects(0)
        .max_redirects_will_error(false)
        // Those of the environment are read by the settings, for all.
        .proxy(way.tunnel)
        .timeout_global(Some(options.timeout))
        .timeout_connect(Some(CONNECT.min(options.timeout)))
        .accept("application/json")
        .user_agent(options.user_agent.as_str());
    let mut trusting = None;
    if options.unverified {
        let own = options.certificate.as_ref();
        let own = own.map(|(certificate, key)| client_certificate(certificate, key));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        config = config.tls_config(
            TlsConfig::builder()
                .root_certs(RootCerts::Specific(Arc::new(Vec::new())))
                .disable_verification(true)
                .client_cert(own.transpose().map_err(tls)?)
                .unversioned_rustls_crypto_provider(provider)
                .build(),
        );
    } else if api.is_https() {
        trusting = Some(Arc::new(trusting_config(options).map_err(tls)?));
    }
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(Passing(way.passed_on))
            .chain(Tls(trusting))
            .chain(RustlsConnector::default());
    let hosts = Hosts { resolver: options.resolver.clone(), instead: way.through };
    Ok((Agent::with_parts(config.build(), connector, hosts), api))
}

/// By which way the server is reached; without a proxy there is nothing in it.
#[derive(Default)]
struct Way {
    /// As people may see it.
    proxy: Option<String>,
    /// The proxy that opens a tunnel.
    tunnel: Option<TunnelProxy>,
    /// The proxy that passes requests on, and what it needs for that.
    through: Option<(String, u16)>,
    passed_on: Option<PassedOn>,
}

impl Way {
    fn to(api: &ApiUrl, options: &Options) -> Result<Self, GirderError> {
        // It may hold a password: the error does not show it.
        let refused = || GirderError::Request {
            server: api.as_str().to_owned(),
            object: "anything".to_owned(),
            reason: "its proxy's address cannot be used".to_owned(),
        };
        let given = options.proxy.as_ref().map(|address| Proxy::new(address.expose()));
        let Some(proxy) = given.as_ref().or_else(|| options.proxies.way(api.as_url())) else {
            return Ok(Self::default());
        };
        if api.is_https() {
            let address = proxy.address().ok_or_else(refused)?;
            let tunnel = TunnelProxy::new(address).map_err(|_| refused())?;
            let proxy = Some(proxy.shown());
            return Ok(Self { tunnel: Some(tunnel), proxy, ..Self::default() });
        }
        let (host, port) = proxy.host(api.as_url()).map_err(|_| refused())?;
        let server = api.as_url()[..Position::BeforePath].to_owned();
        Ok(Self {
            proxy: Some(proxy.shown()),
            tunnel: None,
            through: Some((host.to_string(), port)),
            passed_on: Some(PassedOn { server, authorization: proxy.authorization() }),
        })
    }
}

fn trusting_config(options: &Options) -> Result<ClientConfig, HttpError> {
    let builder = Roots::new(&options.ca_files)?.builder()?;
    let Some((certificate, key)) = &options.certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(certificate, error))?;
    let own = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error))?;
    builder.with_client_auth_cert(chain, own).map_err(|error| HttpError::CaFile {
        path: key.clone(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })
}

fn failed(path: &Path, error: pem::Error) -> HttpError {
    HttpError::CaFile {
        path: path.to_owned(),
        source: match error {
            pem::Error::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
        },
    }
}

fn client_certificate(certificate: &Path, key: &Path) -> Result<ClientCert, HttpError> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(certificate, error))?;
    let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let unread = |source| HttpError::CaFile { path: key.to_owned(), source };
    let pem = std::fs::read(key).map_err(unread)?;
    let key = PrivateKey::from_pem(&pem)
        .map_err(|error| unread(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// For a connection to each address.
const CONNECT: Duration = Duration::from_secs(10);
