//! The kinds and objects that docker-py's keywords take.
//!
//! Where docker-py takes the engine's names beside its own (`Name`, `name`), so do these; its own
//! go first.

use super::rule;
use crate::spec::json::rule as general;
use crate::spec::json::table::{Kind, Member, Relation, Shape};

macro_rules! map {
    ($of:expr) => {
        Kind::Map { names: &rule::TEXT, of: &$of, most: MAX_ENTRIES, unit: "options" }
    };
}
macro_rules! list {
    ($of:expr) => {
        Kind::List { of: &$of, most: MAX_ENTRIES, unit: "entries" }
    };
}

/// Entries of one keyword. The engine has no limit; what people write has a few dozen.
pub(super) const MAX_ENTRIES: usize = 10_000;

pub(super) const TEXT: Kind = Kind::Text(&rule::TEXT);
pub(super) const NAME: Kind = Kind::Text(&general::NAME);
pub(super) const TEXTS: Kind = Kind::List { of: &TEXT, most: MAX_ENTRIES, unit: "strings" };
pub(super) const BYTES: Kind = Kind::Any(&[Kind::Text(&rule::BYTES), Kind::Integer]);
/// A user or group: a name or a number.
pub(super) const WHO: Kind = Kind::Any(&[TEXT, Kind::Integer]);
const SCALAR: Kind = Kind::Any(&[TEXT, Kind::Number]);

pub(super) const ENVIRONMENT: Kind = Kind::Any(&[
    Kind::Map {
        names: &rule::VARIABLE,
        of: &Kind::Any(&[Kind::Text(&rule::HIDDEN), Kind::Number, Kind::Bool, Kind::Null]),
        most: MAX_ENTRIES,
        unit: "variables",
    },
    Kind::List { of: &Kind::Text(&rule::ASSIGNMENT), most: MAX_ENTRIES, unit: "variables" },
]);
pub(super) const LABELS: Kind = Kind::Any(&[
    Kind::Map { names: &rule::LABEL, of: &TEXT, most: MAX_ENTRIES, unit: "labels" },
    Kind::List { of: &Kind::Text(&rule::LABEL), most: MAX_ENTRIES, unit: "labels" },
]);
pub(super) const EXTRA_HOSTS: Kind = Kind::Any(&[map!(TEXT), TEXTS]);
const ALIAS: Kind = Kind::Any(&[TEXT, Kind::Null]);
/// A mapping, or pairs.
pub(super) const LINKS: Kind =
    Kind::Any(&[map!(ALIAS), list!(Kind::List { of: &ALIAS, most: 2, unit: "names of a link" })]);
pub(super) const SYSCTLS: Kind = map!(SCALAR);
pub(super) const STORAGE_OPTIONS: Kind = map!(TEXT);
pub(super) const GROUPS: Kind = list!(WHO);
pub(super) const TMPFS: Kind = Kind::Any(&[
    Kind::Map { names: &rule::INSIDE, of: &TEXT, most: MAX_ENTRIES, unit: "options" },
    Kind::List { of: &Kind::Text(&rule::INSIDE), most: MAX_ENTRIES, unit: "paths" },
]);
pub(super) const VOLUMES_FROM: Kind = Kind::Any(&[TEXT, TEXTS]);
pub(super) const ENDPOINTS: Kind = Kind::Map {
    names: &general::NAME,
    of: &map!(Kind::Anything),
    most: MAX_ENTRIES,
    unit: "networks",
};
/// The engine's own objects: they are passed on, and it judges them.
pub(super) const MOUNTS: Kind = list!(map!(Kind::Anything));

pub(super) const DEVICES: Kind =
    list!(Kind::Any(&[Kind::Text(&rule::DEVICE), Kind::Object(&DEVICE)]));
pub(super) const DEVICE_REQUESTS: Kind = list!(Kind::Object(&DEVICE_REQUEST));
pub(super) const RATES: Kind = list!(Kind::Object(&RATE));
pub(super) const WEIGHTS: Kind = list!(Kind::Object(&WEIGHT));
pub(super) const ULIMITS: Kind = list!(Kind::Object(&ULIMIT));

pub(super) const PORTS: Kind = Kind::Map {
    names: &rule::PORT,
    of: &Kind::Any(&[HOST_PORT, HOST_TEXT, BINDING_OBJECT, Kind::Null, BINDINGS]),
    most: 65_536 * 3,
    unit: "ports",
};
const HOST_PORT: Kind = Kind::Whole(65_535);
const HOST_TEXT: Kind = Kind::Any(&[Kind::Text(&rule::HOST_PORT), Kind::Text(&rule::HOST_IP)]);
const BINDING_OBJECT: Kind = Kind::Object(&BINDING);
const BINDINGS: Kind = Kind::List {
    of: &Kind::Any(&[HOST_PORT, HOST_TEXT, BINDING_OBJECT, Kind::Null, PAIR]),
    most: 65_536,
    unit: "ports",
};
const PAIR: Kind = Kind::List {
    of: &Kind::Any(&[HOST_PORT, HOST_TEXT, Kind::Null]),
    most: 2,
    unit: "of an address and a port",
};

const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Member {
    Member::optional(name, kind, about).or_null()
}

static BINDING: Shape = Shape::new(
    "a binding of a port",
    "Where a port of the container is to be had on the host.",
    &[
        Member::required(
            "HostPort",
            Kind::Any(&[Kind::Text(&rule::HOST_PORT), HOST_PORT]),
            "The port of the host.",
        ),
        Member::optional(
            "HostIp",
            Kind::Any(&[Kind::Text(&rule::HOST_IP), Kind::Word("")]),
            "The address of the host.",
        ),
    ],
);

static DEVICE: Shape = Shape::new(
    "a device",
    "A device of the host.",
    &[
        Member::required("PathOnHost", TEXT, "The device on the host."),
        Member::optional("PathInContainer", TEXT, "The device in the container."),
        Member::optional("CgroupPermissions", TEXT, "Of `r`, `w`, `m`."),
    ],
);

static RATE: Shape = Shape::new(
    "a limit on a device",
    "How fast a device may be used.",
    &[
        Member::required("Path", TEXT, "The device on the host."),
        Member::required("Rate", Kind::Integer, "Bytes, or operations, a second."),
    ],
);

static WEIGHT: Shape = Shape::new(
    "the weight of a device",
    "A container's share of a device.",
    &[
        Member::required("Path", TEXT, "The device on the host."),
        Member::required("Weight", Kind::Integer, "From 10 to 1000."),
    ],
);

static ULIMIT: Shape = Shape::new(
    "a ulimit",
    "A limit of the kernel on a process.",
    &[
        optional("name", TEXT, "Which: `nofile`, `nproc`, …"),
        optional("soft", Kind::Integer, "What the process begins with."),
        optional("hard", Kind::Integer, "What it may raise it to."),
        optional("Name", TEXT, "The same as name."),
        optional("Soft", Kind::Integer, "The same as soft."),
        optional("Hard", Kind::Integer, "The same as hard."),
    ],
)
.with_relations(&[Relation::Either("name", "Name")]);

static DEVICE_REQUEST: Shape = Shape::new(
    "a device request",
    "Devices that a driver gives, such as GPUs.",
    &[
        optional("driver", TEXT, "The driver, such as `nvidia`."),
        optional("count", Kind::Integer, "How many; -1 is all."),
        optional("device_ids", TEXTS, "Which."),
        optional("capabilities", list!(TEXTS), "What they can do: one of the lists, all of it."),
        optional("options", STORAGE_OPTIONS, "The driver's own."),
        optional("Driver", TEXT, "The same as driver."),
        optional("Count", Kind::Integer, "The same as count."),
        optional("DeviceIDs", TEXTS, "The same as device_ids."),
        optional("Capabilities", list!(TEXTS), "The same as capabilities."),
        optional("Options", STORAGE_OPTIONS, "The same as options."),
    ],
);

pub(super) static HEALTHCHECK: Shape = Shape::new(
    "a healthcheck",
    "How the engine sees whether the container is well. Times are nanoseconds.",
    &[
        optional(
            "test",
            VOLUMES_FROM,
            "A command for the shell, or a list beginning with NONE, CMD or CMD-SHELL.",
        ),
        optional("interval", Kind::Integer, "Between two tests."),
        optional("timeout", Kind::Integer, "How long a test may take."),
        optional("retries", Kind::Integer, "How many failures make it unhealthy."),
        optional("start_period", Kind::Integer, "How long failures do not count."),
        optional("Test", VOLUMES_FROM, "The same as test."),
        optional("Interval", Kind::Integer, "The same as interval."),
        optional("Timeout", Kind::Integer, "The same as timeout."),
        optional("Retries", Kind::Integer, "The same as retries."),
        optional("StartPeriod", Kind::Integer, "The same as start_period."),
    ],
);

/// A driver's options may be the token of a log service.
const LOG_OPTIONS: Kind = map!(Kind::Text(&rule::HIDDEN));

pub(super) static LOG_CONFIG: Shape = Shape::new(
    "a log configuration",
    "Where the engine keeps what the container prints. What is streamed does not depend on it.",
    &[
        optional("type", TEXT, "The driver: `json-file`, `none`, …"),
        optional("config", LOG_OPTIONS, "The driver's options."),
        optional("Type", TEXT, "The same as type."),
        optional("Config", LOG_OPTIONS, "The same as config."),
    ],
);

pub(super) static RESTART_POLICY: Shape = Shape::new(
    "a restart policy",
    "docker's.",
    &[
        Member::optional("Name", TEXT, "`on-failure`, `always`, …"),
        Member::optional("MaximumRetryCount", Kind::Integer, "For `on-failure`."),
    ],
);
