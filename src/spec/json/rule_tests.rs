//! Each rule's code against its pattern.

use serde_json::json;

use crate::spec::json::docker_py::rule as docker_py;
use crate::spec::json::rule::{self, Rule};

/// Every rule, with the beginning of what it accepts, and whether its pattern is exact: addresses
/// have more to them than a pattern can say, so theirs may match what the parser refuses.
static RULES: [(&str, &Rule, bool); 35] = [
    ("debian:12", &rule::IMAGE, true),
    ("", &rule::ARGUMENT, true),
    ("/", &rule::HOST_FOLDER, true),
    ("/", &rule::CONTAINER_FOLDER, true),
    ("data", &rule::BIND_HOST, true),
    ("/data", &rule::MOUNT_POINT, true),
    ("ro", &rule::MODE, true),
    ("rslave", &rule::PROPAGATION, true),
    ("/a:/b", &rule::BIND, true),
    ("t", &rule::NAME, true),
    ("a/", &rule::BENEATH, true),
    ("a", &rule::ORDINARY_PATH, true),
    ("/a", &rule::HOST_FILE, true),
    ("{}", &rule::REFERENCE, true),
    ("text/csv", &rule::MIME_TYPE, true),
    ("0", &rule::GIRDER_ID, true),
    ("http://host", &rule::URL, false),
    ("https://host/api", &rule::API_URL, false),
    ("t", &rule::TOKEN, true),
    ("X", &rule::HEADER_NAME, true),
    ("", &rule::HEADER_VALUE, true),
    ("t", &docker_py::TEXT, true),
    ("s", &docker_py::HIDDEN, true),
    ("NAME", &docker_py::VARIABLE, true),
    ("NAME=", &docker_py::ASSIGNMENT, true),
    ("a", &docker_py::LABEL, true),
    ("/a1", &docker_py::CONTAINER_NAME, true),
    ("linux/arm64", &docker_py::PLATFORM, true),
    ("92:d0:c6:0a:29:33", &docker_py::MAC_ADDRESS, true),
    ("5m", &docker_py::BYTES, true),
    ("/dev/a", &docker_py::DEVICE, true),
    ("80", &docker_py::PORT, true),
    ("80", &docker_py::HOST_PORT, true),
    ("::1", &docker_py::HOST_IP, true),
    ("/", &docker_py::INSIDE, true),
];

#[rustfmt::skip]
static PARTS: [&str; 88] = [
    "/", "/", "/", "..", ".", "...", ":", ":", ",", ",", "a", "b1", "_", "-", " ", "\t", "\n", "\r\n", "\0",
    "\u{1f}", "\u{7f}", "\u{80}", "é", "𝄞", "\u{2028}", "\\", "@", "?", "#", "%", "rw", "ro", "z", "Z", "nocopy",
    "consistent", "cached", "delegated", "private", "rprivate", "shared", "rshared", "slave", "rslave", "r",
    "http", "HTTPS", "://", "host", "Host", "range", "If-Range", "te", "Upgrade", "connection",
    "Accept-Encoding", "content-length", "Transfer-Encoding", "X-Key", "[::1]", "127.0.0.1", "8080",
    "user:password@", "data", "=", "5", "0", "65535", "65536", "99999", ".5", "1.", "k", "m", "g", "mb", "b", "B",
    "-1", "-", "/tcp", "/udp", "/sctp", "gantline.", "gantline", "r", "wm", ":0a",
];

#[test]
fn the_code_of_a_rule_and_its_pattern_say_the_same() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for (beginning, rule, exact) in RULES {
        let pattern = json!({"type": "string", "pattern": rule.pattern});
        let schema = jsonschema::validator_for(&pattern).unwrap();
        for _ in 0..4000 {
            let mut text = if random.bool() { beginning.to_owned() } else { String::new() };
            text.extend((0..random.usize(0..8)).filter_map(|_| random.choice(&PARTS)).copied());
            let (by_code, by_pattern) = (rule.accepts(&text), schema.is_valid(&json!(text)));
            let agree = if exact { by_code == by_pattern } else { by_pattern || !by_code };
            assert!(
                agree,
                "{text:?} for {}: code {by_code}, pattern {by_pattern}, seed {seed}",
                rule.expected
            );
        }
        assert!(rule.accepts(beginning), "{beginning:?}");
    }
}

#[test]
fn strings_longer_than_their_rule_allows_are_refused() {
    let slashes = |count: usize| format!("/{}", "/a".repeat(count)[..count - 1].to_owned());
    assert!(rule::HOST_FOLDER.accepts(&slashes(rule::MAX_PATH_BYTES)));
    assert!(!rule::HOST_FOLDER.accepts(&slashes(rule::MAX_PATH_BYTES + 1)));
    assert!(rule::ARGUMENT.accepts(&slashes(rule::MAX_ARGUMENT_BYTES)));
    assert!(!rule::ARGUMENT.accepts(&slashes(rule::MAX_ARGUMENT_BYTES + 1)));
    assert!(rule::GIRDER_ID.accepts(&"a".repeat(rule::MAX_NAME_BYTES)));
    assert!(!rule::GIRDER_ID.accepts(&"a".repeat(rule::MAX_NAME_BYTES + 1)));
    assert!(rule::TOKEN.accepts(&"a".repeat(rule::MAX_HEADER_BYTES)));
    assert!(!rule::TOKEN.accepts(&"a".repeat(rule::MAX_HEADER_BYTES + 1)));
}
