//! TLS to the brokers, before which a TLS server of the test's stands.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gantline::internal::worker::broker::{BrokerError, Settings, SharedSession, Supervisor};
use gantline::internal::worker::url::Broker;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::jobs::{ERROR, SUCCESS};
use crate::place::{Kind, Place, number, on_both, soon};
use crate::site::{Site, script};
use crate::support::tinyproxy::Tinyproxy;

on_both! {
    a_broker_is_trusted_by_the_file_of_its_authority,
    a_broker_that_nobody_vouches_for_is_refused,
    a_broker_that_wants_a_certificate_of_ours_gets_it,
    what_an_address_leaves_unchecked_is_so_on_redis_and_refused_on_rabbitmq,
}

/// A job whose message sets its session so, sent to a worker that reaches Girder by TLS; how it ended for Celery.
fn updated_by(
    session: &serde_json::Value,
    wants_certificate: bool,
    authority: &Authority,
) -> String {
    let site = Site::new(Kind::Redis);
    let port = before_girder(site.api(), authority, wants_certificate);
    let api = format!("https://localhost:{port}/api/v1");
    let environment = [("GIRDER_WORKER_API_URL", &*api), ("SSL_CERT_FILE", "/dev/null")];
    let worker = site.starting_worker(&["--girder-patience", "2"], &environment);
    let options = json!({"girder_client_session_kwargs": session});
    let job = site.send(&script("echo updated"), options);
    let status = site.result(&job).unwrap()["status"].as_str().unwrap().to_owned();
    if status == "SUCCESS" {
        assert_eq!(job.ended(), SUCCESS);
        assert!(job.log().contains("updated\n"), "{}", job.log());
    }
    worker.ends_well();
    status
}

/// A TLS server before a Girder, in a thread of its own; its port.
fn before_girder(api: &str, authority: &Authority, wants_certificate: bool) -> u16 {
    let girder = api.trim_end_matches("/api/v1").to_owned();
    let (own, ca) = (authority.vouches_for("localhost"), authority.issuer.der().clone());
    let (told, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let wants = wants_certificate.then_some(&ca);
            told.send(before(&girder, own, wants).await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    port.recv().unwrap()
}

#[test]
fn a_message_says_whom_its_jobs_updates_trust_and_what_they_show() {
    let authority = Authority::new();
    let ca_file = authority.ca_file();
    assert_eq!(updated_by(&json!({}), false, &authority), "FAILURE");
    assert_eq!(updated_by(&json!({"verify": false}), false, &authority), "SUCCESS");
    assert_eq!(updated_by(&json!({"verify": ca_file}), false, &authority), "SUCCESS");
    assert_eq!(updated_by(&json!({"verify": ca_file}), true, &authority), "FAILURE");
    let own = authority.vouches_for("worker");
    let session = json!({"verify": ca_file, "cert": own});
    assert_eq!(updated_by(&session, true, &authority), "SUCCESS");
}

#[test]
fn a_message_says_by_which_proxy_its_jobs_updates_go() {
    let (proxy, authority) = (Tinyproxy::start(""), Authority::new());
    let site = Site::new(Kind::Redis);
    let port = before_girder(site.api(), &authority, false);
    let tls = format!("https://localhost:{port}/api/v1");
    let session = json!({"proxies": {"http": proxy.open(), "https": proxy.open()},
        "verify": authority.ca_file()});
    for (api, expected) in [(site.api(), "PUT http://"), (&tls, "CONNECT localhost:")] {
        let worker = site.starting_worker(&[], &[("GIRDER_WORKER_API_URL", api)]);
        let options = json!({"girder_client_session_kwargs": session});
        let job = site.send(&script("echo updated"), options);
        assert_eq!(job.ended(), SUCCESS);
        assert!(job.log().contains("updated\n"), "{}", job.log());
        worker.ends_well();
        assert!(proxy.asked().contains(expected), "{}", proxy.asked());
    }
    assert!(!proxy.asked().contains("PUT https://"), "{}", proxy.asked());
}

#[test]
fn a_job_whose_worker_died_is_told_as_its_message_says() {
    let (site, authority) = (Site::new(Kind::Redis), Authority::new());
    let port = before_girder(site.api(), &authority, true);
    let api = format!("https://localhost:{port}/api/v1");
    let environment = [("GIRDER_WORKER_API_URL", &*api), ("SSL_CERT_FILE", "/dev/null")];
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let state = folder.path().join("state").display().to_string();
    let mut first = site.starting_worker(&["--statedb", &state], &environment);
    let session = json!({"verify": authority.ca_file(), "cert": authority.vouches_for("worker")});
    let options = json!({"girder_client_session_kwargs": session});
    let job = site.send(&script("echo up; sleep 1000"), options);
    job.says("up");
    first.dies();
    let second = site.starting_worker(&["--statedb", &state], &environment);
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("the worker died"), "{}", job.log());
    second.ends_well();
}

#[test]
fn what_follows_a_task_gets_its_job_in_the_tasks_own_session() {
    let (site, authority) = (Site::new(Kind::Redis), Authority::new());
    let port = before_girder(site.api(), &authority, true);
    let api = format!("https://localhost:{port}/api/v1");
    let environment = [("GIRDER_WORKER_API_URL", &*api), ("SSL_CERT_FILE", "/dev/null")];
    let worker = site.starting_worker(&["--girder-patience", "2"], &environment);
    let session = json!({"verify": authority.ca_file(), "cert": authority.vouches_for("worker")});
    let then = json!([script("echo second")]).to_string();
    let options = json!({"girder_client_session_kwargs": session});
    let job = site.send_with(&script("echo first"), options, &[("then", &then)]);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    site.until(|| job.has_child());
    worker.ends_well();
}

/// A certificate authority, and what it vouches for, as files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = TempDir::with_prefix("gantline-test-").unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn ca_file(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// A certificate for a name and its key, as files.
    fn vouches_for(&self, name: &str) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        [("pem", certificate.pem()), ("key", key.serialize_pem())].map(|(ending, text)| {
            let path = self.folder.path().join(format!("{name}.{ending}"));
            fs::write(&path, text).unwrap();
            path.display().to_string()
        })
    }
}

/// A TLS server before a broker that passes everything on; its port.
async fn before(
    broker: &str,
    [certificate, key]: [String; 2],
    wants: Option<&CertificateDer<'static>>,
) -> u16 {
    let certificates = CertificateDer::pem_file_iter(&certificate).unwrap().map(Result::unwrap);
    let key = PrivateKeyDer::from_pem_file(Path::new(&key)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match wants {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder.with_single_cert(certificates.collect(), key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let far: u16 = broker.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut near) = acceptor.accept(near).await else { return };
                let mut far = TcpStream::connect(("127.0.0.1", far)).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    port
}

fn url(place: &Place, port: u16) -> String {
    match place.kind {
        Kind::RabbitMq => format!("amqps://guest:guest@localhost:{port}//"),
        Kind::Redis => {
            format!("rediss://localhost:{port}/{}", place.url.rsplit('/').next().unwrap())
        }
    }
}

async fn connect(url: &str, settings: Settings) -> Result<SharedSession, BrokerError> {
    let mut supervisor = Supervisor::new(Broker::parse(url).unwrap(), settings);
    soon(supervisor.session_at_once()).await
}

async fn works(place: &Place, session: &SharedSession) {
    session.declare(&place.queue()).await.unwrap();
    session.serve(&[place.queue()]);
    place.send(1).await;
    assert_eq!(number(&soon(session.take()).await.unwrap()), 0);
}

async fn a_broker_is_trusted_by_the_file_of_its_authority(place: Place) {
    let authority = Authority::new();
    let port = before(&place.url, authority.vouches_for("localhost"), None).await;
    let mut settings = place.settings();
    settings.ca_file = Some(authority.ca_file().into());
    works(&place, &connect(&url(&place, port), settings).await.unwrap()).await;
    // The address may name it as well.
    let named = format!("{}?ssl_ca_certs={}", url(&place, port), authority.ca_file());
    works(&place, &connect(&named, place.settings()).await.unwrap()).await;
}

async fn a_broker_that_nobody_vouches_for_is_refused(place: Place) {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = before(&place.url, authority.vouches_for("localhost"), None).await;
    let address = url(&place, port);
    let mut settings = place.settings();
    let refused = |error: &BrokerError| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    };
    let error = connect(&address, settings.clone()).await.unwrap_err();
    assert!(refused(&error).contains("UnknownIssuer"), "{}", refused(&error));
    settings.ca_file = Some(other.ca_file().into());
    let error = connect(&address, settings.clone()).await.unwrap_err();
    assert!(!refused(&error).is_empty());
    // Another name than the certificate's.
    settings.ca_file = Some(authority.ca_file().into());
    let elsewhere = before(&place.url, authority.vouches_for("elsewhere.test"), None).await;
    let error = connect(&url(&place, elsewhere), settings.clone()).await.unwrap_err();
    assert!(refused(&error).contains("not valid for name"), "{}", refused(&error));
    // A file that is none.
    settings.ca_file = Some("/no/such/file".into());
    let error = connect(&address, settings).await.unwrap_err();
    assert!(refused(&error).contains("/no/such/file"), "{}", refused(&error));
}

async fn a_broker_that_wants_a_certificate_of_ours_gets_it(place: Place) {
    let authority = Authority::new();
    let port =
        before(&place.url, authority.vouches_for("localhost"), Some(authority.issuer.der())).await;
    let [certificate, key] = authority.vouches_for("worker");
    let without = format!("{}?ssl_ca_certs={}", url(&place, port), authority.ca_file());
    assert!(connect(&without, place.settings()).await.is_err());
    let with = format!("{without}&ssl_certfile={certificate}&ssl_keyfile={key}");
    works(&place, &connect(&with, place.settings()).await.unwrap()).await;
}

async fn what_an_address_leaves_unchecked_is_so_on_redis_and_refused_on_rabbitmq(place: Place) {
    let authority = Authority::new();
    let port = before(&place.url, authority.vouches_for("elsewhere.test"), None).await;
    let address = url(&place, port);
    let named = format!("{address}?ssl_ca_certs={}", authority.ca_file());
    for unchecked in [
        format!("{address}?ssl_cert_reqs=none"),
        format!("{address}?ssl_cert_reqs=CERT_NONE"),
        format!("{named}&ssl_check_hostname=false"),
    ] {
        let session = connect(&unchecked, place.settings()).await;
        match place.kind {
            Kind::Redis => works(&place, &session.unwrap()).await,
            Kind::RabbitMq => {
                let error = session.unwrap_err();
                assert!(error.is_permanent(), "{error:?}");
                assert!(error.to_string().contains("--ca-file"), "{error}");
            }
        }
    }
    for checked in ["required", "optional", "CERT_REQUIRED"] {
        let checked = format!("{named}&ssl_cert_reqs={checked}");
        assert!(connect(&checked, place.settings()).await.is_err());
    }
}
