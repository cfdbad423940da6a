//! What the strings of docker-py's keywords may say.

use crate::spec::json::rule::{MAX_ARGUMENT_BYTES, MAX_NAME_BYTES, MAX_PATH_BYTES, Rule};

// A port, 0 to 65535, with at most five digits.
macro_rules! port {
    () => {
        "(?:[0-9]{1,4}|[0-5][0-9]{4}|6(?:[0-4][0-9]{3}|5(?:[0-4][0-9]{2}|5(?:[0-2][0-9]|3[0-5]))))"
    };
}
macro_rules! ports {
    () => {
        concat!(port!(), "(?:-", port!(), ")?")
    };
}

pub(in crate::spec) static TEXT: Rule = Rule {
    expected: "a string without NUL, of at most 4,095 bytes",
    pattern: r"^[^\u0000]*$",
    most: MAX_PATH_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| !text.contains('\0'),
};

/// Linux has 64 bytes for the name of a host, and for its domain (uname(2), `__NEW_UTS_LEN`).
pub(in crate::spec) static HOST_NAME: Rule = Rule {
    expected: "a name of at most 64 bytes",
    pattern: r"^[^\u0000]*$",
    most: 64,
    is_path: false,
    secret: false,
    accepts: |text| !text.contains('\0'),
};

/// A value of an option that may hold a password.
pub(in crate::spec) static HIDDEN: Rule = Rule {
    expected: "a string without NUL",
    pattern: r"^[^\u0000]*$",
    most: MAX_ARGUMENT_BYTES,
    is_path: false,
    secret: true,
    accepts: |text| !text.contains('\0'),
};

pub(in crate::spec) static VARIABLE: Rule = Rule {
    expected: "the name of a variable, without `=` and NUL",
    pattern: r"^[^=\u0000]+$",
    most: MAX_PATH_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| !text.is_empty() && !text.contains(['=', '\0']),
};

/// An entry of a list of variables.
pub(in crate::spec) static ASSIGNMENT: Rule = Rule {
    expected: "`NAME=value`, or `NAME` for a variable that the image is not to have",
    pattern: r"^[^=\u0000][^\u0000]*$",
    most: MAX_ARGUMENT_BYTES,
    is_path: false,
    secret: true,
    accepts: |text| !text.is_empty() && !text.starts_with('=') && !text.contains('\0'),
};

/// By its own labels a run finds, after a crash, what it has to remove.
pub(in crate::spec) static LABEL: Rule = Rule {
    expected: "the name of a label that does not begin with `gantline.`, as a run's own labels do",
    pattern: r"^(?!gantline\.)[^\u0000]+$",
    most: MAX_PATH_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| !text.is_empty() && !text.starts_with("gantline.") && !text.contains('\0'),
};

/// moby's RestrictedNamePattern, which asks for a second character; the engine says so itself.
pub(in crate::spec) static CONTAINER_NAME: Rule = Rule {
    expected: "a container's name: a letter or digit, then letters, digits, `_`, `.`, `-`",
    pattern: "^/?[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| {
        let name = text.strip_prefix('/').unwrap_or(text);
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    },
};

pub(in crate::spec) static PLATFORM: Rule = Rule {
    expected: "a platform, such as `linux/amd64`",
    pattern: "^[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+){0,2}$",
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| {
        let part = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            !part.is_empty() && part.bytes().all(known)
        };
        text.split('/').count() <= 3 && text.split('/').all(part)
    },
};

pub(in crate::spec) static MAC_ADDRESS: Rule = Rule {
    expected: "a MAC address, such as `92:d0:c6:0a:29:33`",
    pattern: "^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}$",
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| {
        let octet = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
        text.split(':').count() == 6 && text.split(':').all(octet)
    },
};

/// What docker-py's `parse_bytes` takes.
pub(in crate::spec) static BYTES: Rule = Rule {
    expected: "a number of bytes, or a number with a unit of 1024s behind it: `b`, `k`, `m` or `g` \
               (as in `512m`)",
    pattern: "^-?(?:(?:[0-9]+\\.?[0-9]*|\\.[0-9]+) *[bkmgBKMG][bB]?|[0-9]*\\.?[0-9]+)$",
    most: 64,
    is_path: false,
    secret: false,
    accepts: |text| {
        let number = text.strip_prefix('-').unwrap_or(text);
        let is_unit = |c: char| "bkmgBKMG".contains(c);
        let digits = |text: &str| {
            let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
            let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            all(whole) && all(behind) && !(whole.is_empty() && behind.is_empty())
        };
        let last_is_digit = number.ends_with(|c: char| c.is_ascii_digit());
        // A unit may have another `b` behind it: `mb`.
        let one = number.strip_suffix(['b', 'B']).filter(|rest| rest.ends_with(is_unit));
        let with_unit = one.unwrap_or(number).strip_suffix(is_unit);
        match with_unit {
            Some(rest) => digits(rest.trim_end_matches(' ')),
            None => last_is_digit && digits(number),
        }
    },
};

pub(in crate::spec) static DEVICE: Rule = Rule {
    expected: "a device: `host`, `host:container` or `host:container:permissions` (of `r`, `w`, \
               `m`)",
    pattern: r"^[^:\u0000]+(?::[^:\u0000]+(?::[rwm]{1,3})?)?$",
    most: MAX_PATH_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| {
        let parts: Vec<&str> = text.split(':').collect();
        let permissions = parts.get(2).is_none_or(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| b"rwm".contains(&byte))
        });
        parts.len() <= 3
            && permissions
            && parts.iter().all(|part| !part.is_empty() && !part.contains('\0'))
    },
};

/// A port of the container.
pub(in crate::spec) static PORT: Rule = Rule {
    expected: "a port or a range of ports, with the protocol behind it: `80`, `53/udp`, \
               `8000-8010/tcp`",
    pattern: concat!("^", ports!(), "(?:/(?:tcp|udp|sctp))?$"),
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        matches!(protocol, "tcp" | "udp" | "sctp") && are_ports(ports)
    },
};

/// A port of the host.
pub(in crate::spec) static HOST_PORT: Rule = Rule {
    expected: "a port of the host, or a range of ports",
    pattern: concat!("^(?:", ports!(), ")?$"),
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| text.is_empty() || are_ports(text),
};

pub(in crate::spec) static HOST_IP: Rule = Rule {
    expected: "an IP address of the host",
    pattern: "^(?=[0-9A-Fa-f]*[.:])[0-9A-Fa-f.:]+$",
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| {
        text.contains(['.', ':'])
            && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:".contains(&byte))
    },
};

pub(in crate::spec) static INSIDE: Rule = Rule {
    expected: "an absolute path in the container",
    pattern: r"^/[^\u0000]*$",
    most: MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: |text| text.starts_with('/') && !text.contains('\0'),
};

fn are_ports(text: &str) -> bool {
    let port = |text: &str| {
        (1..=5).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse().is_ok_and(|port: u32| port <= 65_535)
    };
    match text.split_once('-') {
        Some((first, last)) => port(first) && port(last),
        None => port(text),
    }
}
