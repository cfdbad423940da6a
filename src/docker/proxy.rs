//! The proxies of the docker configuration, as variables for a container.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Client, Endpoint, own_file};

impl Client {
    /// The variables that tell a container's programs of the proxies that the docker configuration
    /// has for this engine (`proxies`), each as `NAME=value`.
    ///
    /// A configuration that cannot be read has none, as docker-py sees it: whoever needs a login of
    /// it hears of it.
    pub fn proxies(&self) -> Vec<String> {
        let Some(file) = &self.settings().config_file else { return Vec::new() };
        let text = match own_file::read(file) {
            Ok(text) => text,
            Err(error) => {
                tracing::debug!(file = %file.display(), %error, "no proxies");
                return Vec::new();
            }
        };
        variables(&text, self.endpoint())
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    proxies: BTreeMap<String, Proxies>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proxies {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    ftp_proxy: Option<String>,
    no_proxy: Option<String>,
}

fn variables(text: &[u8], endpoint: &Endpoint) -> Vec<String> {
    let Ok(Config { proxies }) = serde_json::from_slice(text) else { return Vec::new() };
    let Some(proxies) = proxies.get(&endpoint.to_string()).or_else(|| proxies.get("default"))
    else {
        return Vec::new();
    };
    let named = [
        ("http_proxy", &proxies.http_proxy),
        ("https_proxy", &proxies.https_proxy),
        ("ftp_proxy", &proxies.ftp_proxy),
        ("no_proxy", &proxies.no_proxy),
    ];
    // Programs differ in which of the two they look at.
    let both = |(name, value): (&str, &Option<String>)| {
        let value = value.as_ref().filter(|value| !value.is_empty())?;
        Some([format!("{name}={value}"), format!("{}={value}", name.to_ascii_uppercase())])
    };
    named.into_iter().filter_map(both).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxies_of_this_engine_go_before_those_of_all() {
        let text = br#"{"auths": {}, "proxies": {"tcp://engine:2375": {"httpProxy": "http://e"},
            "default": {"httpsProxy": "http://d", "noProxy": "a,b", "ftpProxy": ""}}}"#;
        let of = |host: &str| variables(text, &Endpoint::parse(host).unwrap());
        assert_eq!(of("tcp://engine:2375"), ["http_proxy=http://e", "HTTP_PROXY=http://e"]);
        assert_eq!(
            of("tcp://other:2375"),
            ["https_proxy=http://d", "HTTPS_PROXY=http://d", "no_proxy=a,b", "NO_PROXY=a,b"]
        );
    }

    #[test]
    fn a_configuration_without_proxies_has_none() {
        for text in [&b"{}"[..], b"{\"proxies\": {}}", b"{\"proxies\": 3}", b"", b"nonsense"] {
            assert_eq!(variables(text, &Endpoint::default()), [""; 0]);
        }
    }
}
