//! Image references, by the grammar of github.com/distribution/reference. Pure.

use std::fmt;

use super::error::DockerError;
use crate::image;

/// An image reference that an engine takes: `registry:port/path/name:tag@digest`.
///
/// Ids (`sha256:…`, or their first digits) have the same form and pass too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// With the registry, as it was given.
    name: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    pub(super) fn parse(text: &str) -> Result<Self, DockerError> {
        let refuse = |problem| DockerError::Reference { reference: text.to_owned(), problem };
        let (name, tag, digest) = image::split(text);
        check_name(name).map_err(refuse)?;
        if !tag.is_none_or(is_tag) {
            return Err(refuse("a tag has up to 128 letters, digits, '_', '.' and '-'"));
        }
        if !digest.is_none_or(is_digest) {
            return Err(refuse("a digest is written sha256: and 64 hexadecimal digits"));
        }
        Ok(Self {
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The name without tag and digest, for a pull.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is pulled of that name: a digest counts for more than a tag, and without both it is
    /// `latest`.
    pub(super) fn version(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// Where the image comes from, in the words of the user's configuration.
    pub(super) fn registry(&self) -> Registry {
        Registry::of_host(split_registry(&self.name).0.unwrap_or(HUB))
    }

    /// The reference as a part of a path. Brackets of IPv6 addresses have no place in one.
    pub(super) fn in_path(&self) -> String {
        self.to_string().replace('[', "%5B").replace(']', "%5D")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// A registry, as logins are filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registry {
    host: String,
}

impl Registry {
    fn of_host(host: &str) -> Self {
        let host = if HUB_NAMES.contains(&host) { HUB } else { host };
        Self { host: host.to_owned() }
    }

    /// Reads a key of the configuration: a host, or an URL as older versions of docker wrote them.
    pub(super) fn of_key(key: &str) -> Self {
        let host = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let host = host.unwrap_or(key).split('/').next().unwrap_or_default();
        Self::of_host(host)
    }

    /// What the registry is called towards credential helpers and the engine. Docker's own has
    /// kept its old URL.
    pub(super) fn server(&self) -> &str {
        if self.host == HUB { "https://index.docker.io/v1/" } else { &self.host }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

/// What a name without a registry means.
const HUB: &str = "docker.io";

const HUB_NAMES: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The longest name that registries take.
const MOST_NAME: usize = 255;

/// The registry and the path of a name. The first part is a registry when it looks like a host.
fn split_registry(name: &str) -> (Option<&str>, &str) {
    let like_a_host = |first: &str| {
        first == "localhost"
            || first.contains(['.', ':'])
            || first.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    match name.split_once('/') {
        Some((first, path)) if like_a_host(first) => (Some(first), path),
        _ => (None, name),
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it has no name");
    }
    if name.len() > MOST_NAME {
        return Err("the name is longer than 255 characters");
    }
    let (registry, path) = split_registry(name);
    if !registry.is_none_or(is_host) {
        return Err("the part before the first / is not a registry's host and port");
    }
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("the name must be lower case");
    }
    match path.split('/').all(is_component) {
        true => Ok(()),
        false => {
            Err("names have lower case letters and digits, between them '.', '_', '__' or '-', \
                      and '/' between parts")
        }
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let name_ok = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(label),
    };
    name_ok && port.is_none_or(digits)
}

/// One part of a path: letters and digits, with single separators between them.
fn is_component(part: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [part.bytes().next(), part.bytes().last()];
    let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends.iter().all(|end| end.is_some_and(alphanumeric))
        && separators.into_iter().all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, digits)) = digest.split_once(':') else { return false };
    let algorithm_ok = algorithm.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && algorithm
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-' | b'_'));
    let hexadecimal = |byte: u8| byte.is_ascii_hexdigit();
    algorithm_ok && (32..=128).contains(&digits.len()) && digits.bytes().all(hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// Name, what of it, registry.
    fn parsed(text: &str) -> (String, String, String) {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(reference.to_string(), text);
        let registry = reference.registry().server().to_owned();
        (reference.name().to_owned(), reference.version().to_owned(), registry)
    }

    fn expect(text: &str, name: &str, version: &str, registry: &str) {
        assert_eq!(parsed(text), (name.to_owned(), version.to_owned(), registry.to_owned()));
    }

    #[test]
    fn a_reference_is_registry_name_and_tag_or_digest() {
        let hub = "https://index.docker.io/v1/";
        expect("busybox", "busybox", "latest", hub);
        expect("girder/slicer_cli:v1.2-rc_3", "girder/slicer_cli", "v1.2-rc_3", hub);
        expect("docker.io/library/busybox", "docker.io/library/busybox", "latest", hub);
        expect("index.docker.io/a/b", "index.docker.io/a/b", "latest", hub);
        expect("localhost/a", "localhost/a", "latest", "localhost");
        expect("localhost:5000/a/b:1", "localhost:5000/a/b", "1", "localhost:5000");
        expect("ghcr.io/a/b__c.d--e", "ghcr.io/a/b__c.d--e", "latest", "ghcr.io");
        expect("Host/a:x", "Host/a", "x", "Host");
        expect("[::1]:5000/a", "[::1]:5000/a", "latest", "[::1]:5000");
        expect(&format!("a@{DIGEST}"), "a", DIGEST, hub);
        expect(&format!("h:5000/a:tag@{DIGEST}"), "h:5000/a", DIGEST, "h:5000");
    }

    #[test]
    fn ids_pass_for_an_inspect() {
        assert_eq!(Reference::parse(DIGEST).unwrap().in_path(), DIGEST);
        assert_eq!(Reference::parse("e3b0c44298fc").unwrap().in_path(), "e3b0c44298fc");
        assert_eq!(Reference::parse("[::1]:5/a").unwrap().in_path(), "%5B::1%5D:5/a");
    }

    #[test]
    fn what_no_engine_takes_is_refused_before_it_is_asked() {
        for (text, problem) in [
            ("", "no name"),
            (":tag", "no name"),
            ("my/image/x?y", "names have lower case"),
            ("library/BusyBox", "lower case"),
            ("a:", "a tag has"),
            ("a:-x", "a tag has"),
            ("a: b", "a tag has"),
            ("a@sha256:12", "a digest is"),
            ("a@md5", "a digest is"),
            ("../containers/x", "registry's host"),
            ("a/../b", "names have"),
            ("a//b", "names have"),
            ("/a", "names have"),
            ("a/", "names have"),
            ("a___b", "names have"),
            ("-a.b/c", "registry's host"),
            ("h:x/c", "registry's host"),
            ("a b", "names have"),
            ("naïve", "names have"),
            ("a:x\r\nhost", "a tag has"),
            (&"a".repeat(256), "longer than 255"),
            (&format!("a:{}", "t".repeat(129)), "a tag has"),
        ] {
            let error = Reference::parse(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_key_of_the_configuration_names_its_registry() {
        for key in [
            "https://index.docker.io/v1/",
            "docker.io",
            "index.docker.io",
            "https://index.docker.io/v1/access-token",
        ] {
            assert_eq!(Registry::of_key(key), Reference::parse("busybox").unwrap().registry());
        }
        let ours = Reference::parse("r.example:5000/a").unwrap().registry();
        for key in ["r.example:5000", "https://r.example:5000", "http://r.example:5000/v2/"] {
            assert_eq!(Registry::of_key(key), ours);
        }
        assert_ne!(Registry::of_key("r.example"), ours);
    }
}
