//! The HTTP client for JSON: whom it trusts, what it shows of itself, by which way it goes.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Proxy};

use super::client::Options;
use super::error::GirderError;
use super::hosts::Hosts;
use super::url::ApiUrl;
use crate::http::{HttpError, Roots};

/// Makes it. Nothing is sent.
///
/// # Errors
/// A file cannot be used, or the proxy's address.
pub(super) fn agent(api: &ApiUrl, options: &Options) -> Result<Agent, GirderError> {
    let tls = |source| GirderError::Tls { server: api.as_str().to_owned(), source };
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // Followed, they would carry the token to wherever they lead.
        .max_redirects(0)
        .max_redirects_will_error(false)
        // One from the environment would be for the command to read; and downloads know no proxy.
        .proxy(proxy(api, options)?)
        .timeout_global(Some(options.timeout))
        .timeout_connect(Some(CONNECT.min(options.timeout)))
        .accept("application/json")
        .user_agent(options.user_agent.as_str());
    if api.is_https() {
        let roots = match options.unverified {
            true => Vec::new(),
            false => {
                Roots::new(&options.ca_files).and_then(|roots| roots.certificates()).map_err(tls)?
            }
        };
        let certificates = roots.iter().map(|der| Certificate::from_der(der).to_owned());
        let own = options.certificate.as_ref();
        let own = own.map(|(certificate, key)| client_certificate(certificate, key)).transpose();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        config = config.tls_config(
            TlsConfig::builder()
                .root_certs(RootCerts::Specific(Arc::new(certificates.collect())))
                .disable_verification(options.unverified)
                .client_cert(own.map_err(tls)?)
                .unversioned_rustls_crypto_provider(provider)
                .build(),
        );
    }
    let hosts = Hosts(options.resolver.clone());
    Ok(Agent::with_parts(config.build(), DefaultConnector::default(), hosts))
}

fn proxy(api: &ApiUrl, options: &Options) -> Result<Option<Proxy>, GirderError> {
    let Some(address) = &options.proxy else { return Ok(None) };
    // It may hold a password: the error does not show it.
    Proxy::new(address.expose()).map(Some).map_err(|_| GirderError::Request {
        server: api.as_str().to_owned(),
        object: "anything".to_owned(),
        reason: "its proxy's address cannot be used".to_owned(),
    })
}

fn client_certificate(certificate: &Path, key: &Path) -> Result<ClientCert, HttpError> {
    let failed = |path: &Path, error: pem::Error| HttpError::CaFile {
        path: path.to_owned(),
        source: match error {
            pem::Error::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
        },
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(certificate, error))?;
    let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let unread = |source| HttpError::CaFile { path: key.to_owned(), source };
    let pem = fs::read(key).map_err(unread)?;
    let key = PrivateKey::from_pem(&pem)
        .map_err(|error| unread(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// For a connection to each address.
const CONNECT: Duration = Duration::from_secs(10);
