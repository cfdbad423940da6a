//! What strings may say: each rule twice, as code for the parser and as a pattern for the schema.
//!
//! A test holds the two against each other. Patterns keep to what ECMA-262 and Rust's regular
//! expressions have in common.

use super::node::too_many;
use crate::image;
use crate::spec::error::Problem;
use crate::spec::secret::HttpUrl;

/// A rule for a string.
pub(in crate::spec) struct Rule {
    /// What an error says was expected.
    pub(in crate::spec) expected: &'static str,
    /// The same for JSON Schema.
    pub(in crate::spec) pattern: &'static str,
    /// The longest that is taken, in bytes (the schema counts characters).
    pub(in crate::spec) most: usize,
    /// It is a path, or has some: each name in it has a bound of its own.
    pub(in crate::spec) is_path: bool,
    /// The value is not to be shown, not even in an error.
    pub(in crate::spec) secret: bool,
    pub(in crate::spec) accepts: fn(&str) -> bool,
}

impl Rule {
    pub(in crate::spec) fn accepts(&self, text: &str) -> bool {
        self.excess(text).is_none() && (self.accepts)(text)
    }

    /// What of a text is too long, and nothing else is wrong with it.
    pub(in crate::spec) fn too_long(&self, text: &str) -> Option<Problem> {
        self.excess(text).filter(|_| (self.accepts)(text))
    }

    fn excess(&self, text: &str) -> Option<Problem> {
        if text.len() > self.most {
            return Some(too_many(text.len(), "bytes", self.most));
        }
        let longest = || text.split(['/', ':']).map(str::len).max().unwrap_or_default();
        let longest = if self.is_path { longest() } else { 0 };
        let is_too_long = longest > MAX_FILE_NAME_BYTES;
        is_too_long.then(|| too_many(longest, "bytes in one name", MAX_FILE_NAME_BYTES))
    }
}

/// The longest single argument that Linux passes to a program: MAX_ARG_STRLEN, 32 pages with the
/// NUL.
pub(in crate::spec) const MAX_ARGUMENT_BYTES: usize = 32 * 4096 - 1;
/// The longest path that Linux takes: PATH_MAX with the NUL.
pub(in crate::spec) const MAX_PATH_BYTES: usize = 4095;
/// The longest name of a file that Linux takes: NAME_MAX.
pub(in crate::spec) const MAX_FILE_NAME_BYTES: usize = 255;
/// The longest image reference, volume name or id: twice what registries and engines allow.
pub(in crate::spec) const MAX_NAME_BYTES: usize = 512;
/// The longest address or header: servers refuse heads beyond 8 to 16 KiB.
pub(in crate::spec) const MAX_HEADER_BYTES: usize = 8192;

// The parts that patterns are made of. `concat!` takes literals only.
macro_rules! no_parent {
    () => {
        r"(?!(?:[^:]*/)?\.\.(?:[/:]|$))"
    };
}
macro_rules! named_volume {
    () => {
        "[a-zA-Z0-9][a-zA-Z0-9_.-]+"
    };
}
macro_rules! host {
    () => {
        concat!(r"(?:/[^:\u0000]*|", named_volume!(), ")")
    };
}
macro_rules! mount_point {
    () => {
        concat!(no_parent!(), r"(?!/+(?:\./+)*\.?(?:$|:))/[^:\u0000]*")
    };
}
macro_rules! propagation {
    () => {
        "r?(?:private|shared|slave)"
    };
}
macro_rules! option {
    () => {
        concat!("(?:rw|ro|z|Z|nocopy|consistent|cached|delegated|", propagation!(), ")")
    };
}
// Each kind of option at most once.
macro_rules! mode {
    () => {
        concat!(
            r"(?![^:]*\b(?:rw|ro)\b[^:]*\b(?:rw|ro)\b)",
            r"(?![^:]*\b[zZ]\b[^:]*\b[zZ]\b)",
            r"(?![^:]*\b",
            propagation!(),
            r"\b[^:]*\b",
            propagation!(),
            r"\b)",
            r"(?![^:]*\bnocopy\b[^:]*\bnocopy\b)",
            r"(?![^:]*\b(?:consistent|cached|delegated)\b[^:]*\b(?:consistent|cached|delegated)\b)",
            "(?:",
            option!(),
            "(?:,",
            option!(),
            ")*)?"
        )
    };
}

pub(in crate::spec) static IMAGE: Rule = Rule {
    expected: "an image reference, such as `debian:12` (ASCII, without spaces, its name in lower case)",
    pattern: concat!(
        // The registry is a host: it has a dot or a port.
        "^(?:[!-.0-?A-~]*[.:][!-.0-?A-~]*/)?",
        "[!-.0-9;-?\\[-~]+(?:/[!-.0-9;-?\\[-~]+)*(?::[!-.0-9;-?A-~]+)?(?:@[!-~]+)?$"
    ),
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: is_image,
};

pub(in crate::spec) static ARGUMENT: Rule = Rule {
    expected: "a string without NUL, of at most 131,071 bytes (what Linux passes to a program)",
    pattern: r"^[^\u0000]*$",
    most: MAX_ARGUMENT_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| !text.contains('\0'),
};

pub(in crate::spec) static HOST_FOLDER: Rule = Rule {
    expected: "an absolute path of the host",
    pattern: r"^/[^\u0000]*$",
    most: MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: |text| text.starts_with('/') && !text.contains('\0'),
};

pub(in crate::spec) static CONTAINER_FOLDER: Rule = Rule {
    expected: "an absolute path in the container, without `..`",
    pattern: r"^(?!(?:[^\u0000]*/)?\.\.(?:/|$))/[^\u0000]*$",
    most: MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: |text| text.starts_with('/') && !text.contains('\0') && !has_parent(text),
};

/// The host's side of docker's bind syntax.
pub(in crate::spec) static BIND_HOST: Rule = Rule {
    expected: "an absolute path of the host, or the name of an engine's volume",
    pattern: concat!(r"^(?:/[^\u0000]*|", named_volume!(), ")$"),
    most: MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: |text| is_bind_host(text) || text.starts_with('/') && !text.contains('\0'),
};

/// The container's side of docker's bind syntax.
pub(in crate::spec) static MOUNT_POINT: Rule = Rule {
    expected: "an absolute path in the container, without `..` and colons, and not the root",
    pattern: concat!("^", mount_point!(), "$"),
    most: MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: is_mount_point,
};

pub(in crate::spec) static MODE: Rule = Rule {
    expected: "a mode of docker: `rw` or `ro`, and behind commas `z` or `Z`, one of `[r]private`, \
               `[r]shared`, `[r]slave`, `nocopy`, one of `consistent`, `cached`, `delegated`",
    pattern: concat!("^", mode!(), "$"),
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: is_mode,
};

pub(in crate::spec) static PROPAGATION: Rule = Rule {
    expected: "one of `private`, `rprivate`, `shared`, `rshared`, `slave`, `rslave`",
    pattern: concat!("^", propagation!(), "$"),
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: is_propagation,
};

pub(in crate::spec) static BIND: Rule = Rule {
    expected: "`host:container[:mode]` as in `/data:/mnt:ro`, an absolute path of the host \
               and one in the container,",
    pattern: concat!(
        "^(?:",
        host!(),
        ":",
        mount_point!(),
        "(?::",
        mode!(),
        ")?|",
        mount_point!(),
        ")$"
    ),
    most: 2 * MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: |text| {
        let mut parts = text.split(':');
        if !text.contains(':') {
            return is_mount_point(text);
        }
        parts.next().is_some_and(is_bind_host)
            && parts.next().is_some_and(is_mount_point)
            && parts.next().is_none_or(is_mode)
            && parts.next().is_none()
    },
};

pub(in crate::spec) static NAME: Rule = Rule {
    expected: "a name",
    pattern: r"^[^\u0000-\u001f]+$",
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| !text.is_empty() && !text.chars().any(|c| c < ' '),
};

/// A file or folder beneath a volume.
pub(in crate::spec) static BENEATH: Rule = Rule {
    expected: "a relative path without `..`",
    pattern: r"^(?!/)(?!(?:[^\u0000]*/)?\.\.(?:/|$))[^\u0000]+$",
    most: MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: |text| {
        !text.is_empty() && !text.starts_with('/') && !text.contains('\0') && !has_parent(text)
    },
};

pub(in crate::spec) static ORDINARY_PATH: Rule = Rule {
    expected: "a relative path of ordinary names, without `.`, `..` and empty ones",
    pattern: r"^(?!\.{1,2}(?:/|$))[^/\u0000]+(?:/(?!\.{1,2}(?:/|$))[^/\u0000]+)*$",
    most: MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: |text| {
        !text.contains('\0') && text.split('/').all(|name| !matches!(name, "" | "." | ".."))
    },
};

/// A file of the host, by its absolute path.
pub(in crate::spec) static HOST_FILE: Rule = Rule {
    expected: "an absolute path of a file of the host",
    pattern: r"^/(?!(?:[^\u0000]*/)?\.{0,2}$)[^\u0000]*$",
    most: MAX_PATH_BYTES,
    is_path: true,
    secret: false,
    accepts: |text| {
        text.starts_with('/')
            && !text.contains('\0')
            && !matches!(text.rsplit('/').next(), None | Some("" | "." | ".."))
    },
};

/// What Girder's event handlers are handed with an upload. It travels in an address.
pub(in crate::spec) static REFERENCE: Rule = Rule {
    expected: "a string without NUL, of at most 8,192 bytes",
    pattern: r"^[^\u0000]*$",
    most: MAX_HEADER_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| !text.contains('\0'),
};

pub(in crate::spec) static MIME_TYPE: Rule = Rule {
    expected: "a media type, such as `text/csv` (ASCII)",
    pattern: "^[!-~][ -~]*$",
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| {
        text.starts_with(|c: char| c.is_ascii_graphic())
            && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    },
};

/// Girder's ids have 24 hexadecimal digits; other stores' may look otherwise, and only have to be
/// safe in a path.
pub(in crate::spec) static GIRDER_ID: Rule = Rule {
    expected: "an id of letters, digits, `-` and `_`",
    pattern: "^[0-9A-Za-z_-]+$",
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: false,
    accepts: |text| {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        !text.is_empty() && text.bytes().all(safe)
    },
};

pub(in crate::spec) static URL: Rule = Rule {
    expected: "an http:// or https:// address, without spaces; credentials belong in a header",
    pattern: r"^[hH][tT][tT][pP][sS]?://[^\u0000- \u007f/?#@\\]+(?:[/?#][^\u0000- \u007f]*)?$",
    most: MAX_HEADER_BYTES,
    is_path: false,
    secret: true,
    accepts: |text| HttpUrl::parse(text).is_some(),
};

pub(in crate::spec) static API_URL: Rule = Rule {
    expected: "the http:// or https:// address of a Girder API, without credentials and query, \
               such as https://data.example.org/api/v1",
    pattern: r"^[hH][tT][tT][pP][sS]?://[^\u0000- \u007f/?#@\\]+(?:/[^\u0000- \u007f?#]*)?$",
    most: MAX_HEADER_BYTES,
    is_path: false,
    secret: true,
    accepts: |text| HttpUrl::parse(text).is_some() && !text.contains(['?', '#']),
};

pub(in crate::spec) static TOKEN: Rule = Rule {
    expected: "a token (ASCII, without spaces)",
    pattern: "^[!-~]+$",
    most: MAX_HEADER_BYTES,
    is_path: false,
    secret: true,
    accepts: |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()),
};

/// A header's name (RFC 9110, token); not those that belong to the connection or to a resumed
/// transfer.
pub(in crate::spec) static HEADER_NAME: Rule = Rule {
    expected: "the name of a header that a job may set: not Host, Connection, Range, If-Range, TE, \
               Upgrade, Accept-Encoding, Content-Length, Transfer-Encoding",
    pattern: concat!(
        "^(?!(?:[hH][oO][sS][tT]|[cC][oO][nN][nN][eE][cC][tT][iI][oO][nN]|[tT][eE]",
        "|[uU][pP][gG][rR][aA][dD][eE]|(?:[iI][fF]-)?[rR][aA][nN][gG][eE]",
        "|[aA][cC][cC][eE][pP][tT]-[eE][nN][cC][oO][dD][iI][nN][gG]",
        "|[cC][oO][nN][tT][eE][nN][tT]-[lL][eE][nN][gG][tT][hH]",
        "|[tT][rR][aA][nN][sS][fF][eE][rR]-[eE][nN][cC][oO][dD][iI][nN][gG])$)",
        r"[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
    ),
    most: MAX_NAME_BYTES,
    is_path: false,
    secret: true,
    accepts: |text| {
        const OURS: [&str; 9] = [
            "host",
            "connection",
            "range",
            "if-range",
            "te",
            "upgrade",
            "accept-encoding",
            "content-length",
            "transfer-encoding",
        ];
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !text.is_empty()
            && text.bytes().all(token)
            && !OURS.iter().any(|name| name.eq_ignore_ascii_case(text))
    },
};

pub(in crate::spec) static HEADER_VALUE: Rule = Rule {
    expected: "a header's value, without line ends and other control characters",
    pattern: r"^[^\u0000-\u0008\u000a-\u001f\u007f]*$",
    most: MAX_HEADER_BYTES,
    is_path: false,
    secret: true,
    accepts: |text| !text.chars().any(|c| (c < ' ' && c != '\t') || c == '\u{7f}'),
};

/// As far as the engine's client looks at it: the grammar of references has more to it.
fn is_image(text: &str) -> bool {
    let is_graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let (name, tag, digest) = image::split(text);
    let is_path = |path: &str| {
        path.split('/').all(|name| {
            !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_ascii_uppercase())
        })
    };
    let behind_registry = || {
        let (host, path) = name.split_once('/')?;
        host.contains(['.', ':']).then_some(path)
    };
    is_graphic(text)
        && tag.is_none_or(|tag| !tag.is_empty())
        && digest.is_none_or(|digest| !digest.is_empty())
        && (is_path(name) || behind_registry().is_some_and(is_path))
}

fn has_parent(path: &str) -> bool {
    path.split('/').any(|name| name == "..")
}

fn is_bind_host(text: &str) -> bool {
    if text.starts_with('/') {
        return !text.contains([':', '\0']);
    }
    // moby's RestrictedNamePattern: two characters at least.
    let tail = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(tail)
}

fn is_mount_point(text: &str) -> bool {
    text.starts_with('/')
        && !text.contains([':', '\0'])
        && !has_parent(text)
        && text.split('/').any(|name| !matches!(name, "" | "."))
}

pub(in crate::spec) fn is_propagation(text: &str) -> bool {
    matches!(text.strip_prefix('r').unwrap_or(text), "private" | "shared" | "slave")
}

/// As the engine checks it on Linux: known options, each kind at most once, or nothing at all.
pub(in crate::spec) fn is_mode(text: &str) -> bool {
    let mut seen = [false; 5];
    text.is_empty()
        || text.split(',').all(|option| {
            let kind = match option {
                "rw" | "ro" => 0,
                "z" | "Z" => 1,
                "nocopy" => 2,
                "consistent" | "cached" | "delegated" => 3,
                option if is_propagation(option) => 4,
                _ => return false,
            };
            seen.get_mut(kind).is_some_and(|seen| !std::mem::replace(seen, true))
        })
}
