//! What a message sets of the session in which its job is updated: `girder_client_session_kwargs`.
//!
//! Girder Worker gives them to a `requests.Session`. Headers, `verify`, `cert` and `proxies` mean here what they mean
//! there; anything else is a warning.

use std::path::PathBuf;

use crate::spec::girder_job::{GirderJob, GirderSession};
use crate::spec::json::{Node, Value, rule, shortened};
use crate::spec::secret::Secret;

/// The header's name.
pub(crate) const SESSION: &str = "girder_client_session_kwargs";

/// Gives a job the settings of its session, and what is to be said about them. A header that the job has itself goes
/// before one of the session's.
pub(crate) fn set(job: &mut GirderJob, session: &Node) -> Vec<String> {
    let Value::Object(settings) = &session.value else { return Vec::new() };
    let mut warnings = Vec::new();
    for (name, value) in settings {
        let is_known = match name.as_str() {
            "headers" => set_headers(job, value, &mut warnings),
            "verify" => set_verify(&mut job.session, value, &mut warnings),
            "cert" => set_certificate(&mut job.session, value),
            "proxies" => set_proxies(&mut job.session, value),
            _ => false,
        };
        if !is_known && !matches!(value.value, Value::Null) {
            let name = shortened(name);
            warnings.push(format!("{SESSION}: `{name}` is not taken as it is"));
        }
    }
    warnings
}

fn set_headers(job: &mut GirderJob, headers: &Node, warnings: &mut Vec<String>) -> bool {
    let Value::Object(headers) = &headers.value else { return false };
    let mut refused = 0;
    for (name, value) in headers {
        let text = value.as_str().unwrap_or("\n");
        if !rule::HEADER_NAME.accepts(name) || !rule::HEADER_VALUE.accepts(text) {
            refused += 1;
        } else if !job.headers.keys().any(|other| other.eq_ignore_ascii_case(name)) {
            job.headers.insert(name.clone(), Secret::new(text));
        }
    }
    if refused > 0 {
        warnings.push(format!("{SESSION}: {refused} of `headers` are not sent"));
    }
    true
}

fn set_verify(session: &mut GirderSession, value: &Node, warnings: &mut Vec<String>) -> bool {
    match &value.value {
        Value::Bool(true) => {}
        Value::Bool(false) => {
            session.unverified = true;
            warnings.push(format!("{SESSION}: Girder's certificate is not checked"));
        }
        Value::String(file) => session.ca_file = Some(PathBuf::from(file)),
        _ => return false,
    }
    true
}

/// One file with both, or one for the certificate and one for its key.
fn set_certificate(session: &mut GirderSession, value: &Node) -> bool {
    let (certificate, key) = match &value.value {
        Value::String(file) => (Some(file.as_str()), Some(file.as_str())),
        Value::Array(files) => match files.as_slice() {
            [certificate, key] => (certificate.as_str(), key.as_str()),
            _ => return false,
        },
        _ => return false,
    };
    let (Some(certificate), Some(key)) = (certificate, key) else { return false };
    session.certificate = Some((PathBuf::from(certificate), PathBuf::from(key)));
    true
}

fn set_proxies(session: &mut GirderSession, value: &Node) -> bool {
    let Value::Object(proxies) = &value.value else { return false };
    for (of, proxy) in proxies {
        let Some(proxy) = proxy.as_str() else { return false };
        session.proxies.insert(of.clone(), Secret::new(proxy));
    }
    true
}
