//! The keywords about the container and its network.

use super::shapes::{
    ENDPOINTS, ENVIRONMENT, EXTRA_HOSTS, GROUPS, HEALTHCHECK, LABELS, LINKS, LOG_CONFIG, NAME,
    PORTS, RESTART_POLICY, TEXT, TEXTS, WHO,
};
use super::{Keyword, make, ports, rule};
use crate::spec::docker_py::Goes;
use crate::spec::json::table::Kind;

/// What the container is, and how it begins and ends.
pub(super) static CONTAINER: &[Keyword] = &[
    Keyword::new("name", Kind::Text(&rule::CONTAINER_NAME), Goes::Elsewhere, "The container's name. Without one, it has the run's.").example(r#""my-job""#),
    Keyword::new("platform", Kind::Text(&rule::PLATFORM), Goes::Elsewhere, "Which of the image's platforms.").example(r#""linux/amd64""#),
    Keyword::new("environment", ENVIRONMENT, Goes::Config("Env"), "Variables: a mapping, or a list of `NAME=value`. A value of null takes the image's variable away.").made_by(make::environment).example(r#"{"OMP_NUM_THREADS": 4}"#),
    Keyword::new("use_config_proxy", Kind::Bool, Goes::Elsewhere, "Whether the container gets the proxies of the docker configuration."),
    Keyword::new("working_dir", Kind::Text(&rule::INSIDE), Goes::Config("WorkingDir"), "The folder that the command begins in.").example(r#""/work""#),
    Keyword::new("user", WHO, Goes::Config("User"), "Who the command runs as: a name or number, with a group behind a colon.").made_by(make::text).example(r#""1000:1000""#),
    Keyword::new("group_add", GROUPS, Goes::HostUnlessEmpty("GroupAdd"), "Further groups, by name or number.").made_by(make::texts),
    Keyword::new("labels", LABELS, Goes::Elsewhere, "Labels: a mapping, or a list of names.").made_by(make::labels).example(r#"{"project": "x"}"#),
    Keyword::new("hostname", Kind::Text(&rule::HOST_NAME), Goes::Config("Hostname"), "What the container calls itself."),
    Keyword::new("domainname", Kind::Text(&rule::HOST_NAME), Goes::Config("Domainname"), "The domain that it says it is in."),
    Keyword::new("healthcheck", Kind::Object(&HEALTHCHECK), Goes::Config("Healthcheck"), "How the engine sees whether the container is well.").made_by(make::healthcheck).example(r#"{"test": ["CMD", "true"], "interval": 1000000000}"#),
    Keyword::new("stop_signal", TEXT, Goes::Config("StopSignal"), "What stops it.").example(r#""SIGINT""#),
    Keyword::new("stdin_open", Kind::Bool, Goes::Elsewhere, "Keeps the container's standard input open. Nobody writes to it."),
    Keyword::new("init", Kind::Bool, Goes::Host("Init"), "Whether a small init runs before the command, passes signals on and reaps."),
    Keyword::new("auto_remove", Kind::Bool, Goes::Elsewhere, "The same as `remove_container`."),
    Keyword::new("remove", Kind::Bool, Goes::Elsewhere, "The same as `remove_container`."),
    Keyword::new("restart_policy", Kind::Object(&RESTART_POLICY), Goes::HostUnlessEmpty("RestartPolicy"), "A run ends with its container's exit, so no policy is passed on."),
    Keyword::new("log_config", Kind::Object(&LOG_CONFIG), Goes::Host("LogConfig"), "Where the engine keeps what the container prints. What is streamed does not depend on it. Where stdout is streamed elsewhere, as data, it is not kept unless this says so.").made_by(make::log_config).example(r#"{"type": "none"}"#),
];

/// What it can reach, and who can reach it.
pub(super) static NETWORK: &[Keyword] = &[
    Keyword::new("network", NAME, Goes::Elsewhere, "The network to join.").example(r#""my-network""#),
    Keyword::new("network_mode", NAME, Goes::Elsewhere, "`bridge`, `none`, `host`, `container:` and a name. `network` goes before it.").example(r#""none""#),
    Keyword::new("networking_config", ENDPOINTS, Goes::Elsewhere, "The engine's endpoint of each network. Only beside `network`."),
    Keyword::new("network_disabled", Kind::Bool, Goes::Config("NetworkDisabled"), "No network at all."),
    Keyword::new("mac_address", Kind::Text(&rule::MAC_ADDRESS), Goes::Config("MacAddress"), "The address of its network card."),
    Keyword::new("ports", PORTS, Goes::HostUnlessEmpty("PortBindings"), "Ports opened on the host: the port, null for any, an address and a port, or a list of them.").made_by(ports::bindings).example(r#"{"80/tcp": 8080, "53/udp": ["127.0.0.1", 5353]}"#),
    Keyword::new("publish_all_ports", Kind::Bool, Goes::HostUnlessEmpty("PublishAllPorts"), "Opens every port that the image exposes."),
    Keyword::new("dns", TEXTS, Goes::Host("Dns"), "Name servers.").example(r#"["8.8.8.8"]"#),
    Keyword::new("dns_opt", TEXTS, Goes::Host("DnsOptions"), "Options of the resolver."),
    Keyword::new("dns_search", TEXTS, Goes::HostUnlessEmpty("DnsSearch"), "Domains to search."),
    Keyword::new("extra_hosts", EXTRA_HOSTS, Goes::Host("ExtraHosts"), "Further names: a mapping to addresses, or a list of `name:address`.").made_by(make::extra_hosts).example(r#"{"db": "10.0.0.5"}"#),
    Keyword::new("links", LINKS, Goes::Host("Links"), "Other containers, and what they are called in this one.").made_by(make::links),
];
