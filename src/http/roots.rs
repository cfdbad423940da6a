//! Who is trusted: the system's authorities, and those of the user's files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WantsClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{CipherSuite, ClientConfig, ConfigBuilder, RootCertStore};

use super::HttpError;
use super::trust::Trust;

/// The authorities that are trusted, and the TLS settings made of them.
#[derive(Debug)]
pub(crate) struct Roots {
    extra: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Roots {
    /// Reads the user's files; the system's are read when they are needed.
    pub(crate) fn new(ca_files: &[PathBuf]) -> Result<Self, HttpError> {
        let mut extra = Vec::new();
        for path in ca_files {
            let certificates =
                read(path).map_err(|source| HttpError::CaFile { path: path.clone(), source })?;
            extra.extend(certificates);
        }
        Ok(Self { extra, config: OnceLock::new() })
    }

    /// All certificates: the system's (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where the
    /// environment names them), then the user's.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, HttpError> {
        let system = rustls_native_certs::load_native_certs();
        if system.certs.is_empty() && self.extra.is_empty() {
            let source = system.errors.into_iter().next().map(Into::into);
            return Err(HttpError::NoRoots { source });
        }
        for error in &system.errors {
            tracing::warn!(%error, "CA certificates of the system were left out");
        }
        Ok(system.certs.into_iter().chain(self.extra.iter().cloned()).collect())
    }

    /// The TLS settings.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, HttpError> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let mut config = self.builder()?.with_no_client_auth();
        // For `tls`, which opens and seals records itself.
        config.enable_secret_extraction = true;
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }

    /// The TLS settings of others, whose own certificate is still to be said.
    ///
    /// # Errors
    /// There is nobody to trust.
    pub(crate) fn builder(
        &self,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, HttpError> {
        let provider = Arc::new(provider());
        let trust = Trust::new(self.certificates()?, Arc::clone(&provider))
            .map_err(|error| HttpError::NoRoots { source: Some(Box::new(error)) })?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| HttpError::Bug("the TLS provider has no protocol version"))?;
        Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(trust)))
    }
}

/// The certificates in a PEM file: at least one.
fn read(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| match error {
            pem::Error::Io(error) => error,
            other => invalid(other.to_string()),
        })?;
    if certificates.is_empty() {
        return Err(invalid("there is no certificate in it (PEM is expected)".to_owned()));
    }
    for certificate in &certificates {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|error| invalid(format!("a certificate in it cannot be used: {error}")))?;
    }
    Ok(certificates)
}

/// ring's, asking for AES-128 before AES-256: no weaker against anything that is feasible, and ten
/// rounds a block instead of fourteen, at both ends. Servers follow the client's order where theirs
/// is not set.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !is_aes_128(suite.suite()));
    provider
}

fn is_aes_128(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}
