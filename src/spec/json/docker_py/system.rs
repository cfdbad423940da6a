//! The keywords about the container's share of the system: devices, rights, mounts, namespaces.

use super::shapes::{
    DEVICE_REQUESTS, DEVICES, MOUNTS, NAME, SYSCTLS, TEXT, TEXTS, TMPFS, VOLUMES_FROM,
};
use super::{Keyword, make};
use crate::spec::docker_py::Goes;
use crate::spec::json::table::Kind;

/// Devices, rights, mounts, namespaces.
pub(super) static SYSTEM: &[Keyword] = &[
    Keyword::new("gpu", GPU, Goes::Elsewhere, "Whether the container needs a GPU: all are given. `preferred` goes on without, and says so.").example(r#""preferred""#),
    Keyword::new("device_requests", DEVICE_REQUESTS, Goes::Host("DeviceRequests"), "Devices that a driver gives, such as GPUs.").made_by(make::device_requests).example(r#"[{"driver": "nvidia", "count": -1, "capabilities": [["gpu"]]}]"#),
    Keyword::new("runtime", NAME, Goes::HostUnlessEmpty("Runtime"), "The engine's runtime. `nvidia` asks for GPUs in the newer way first."),
    Keyword::new("devices", DEVICES, Goes::HostUnlessEmpty("Devices"), "Devices of the host: `host:container:permissions`.").made_by(make::devices).example(r#"["/dev/fuse", "/dev/sda:/dev/xvda:r"]"#),
    Keyword::new("device_cgroup_rules", TEXTS, Goes::Host("DeviceCgroupRules"), "Further devices, by cgroup rules."),
    Keyword::new("privileged", Kind::Bool, Goes::HostUnlessEmpty("Privileged"), "Everything that the host may."),
    Keyword::new("cap_add", TEXTS, Goes::HostUnlessEmpty("CapAdd"), "Capabilities of the kernel to add.").example(r#"["SYS_ADMIN"]"#),
    Keyword::new("cap_drop", TEXTS, Goes::HostUnlessEmpty("CapDrop"), "Capabilities to drop."),
    Keyword::new("security_opt", TEXTS, Goes::Host("SecurityOpt"), "Options of the security modules.").example(r#"["label=disable"]"#),
    Keyword::new("read_only", Kind::Bool, Goes::Host("ReadonlyRootfs"), "The image cannot be written over."),
    Keyword::new("tmpfs", TMPFS, Goes::HostUnlessEmpty("Tmpfs"), "Folders in memory: a mapping to options, or a list of `path:options`.").made_by(make::tmpfs).example(r#"{"/scratch": "size=1g"}"#),
    Keyword::new("mounts", MOUNTS, Goes::Host("Mounts"), "The engine's mounts, as it takes them.").example(r#"[{"Target": "/data", "Source": "/srv", "Type": "bind", "ReadOnly": true}]"#),
    Keyword::new("volumes_from", VOLUMES_FROM, Goes::Host("VolumesFrom"), "Other containers whose volumes are mounted.").made_by(make::volumes_from),
    Keyword::new("volume_driver", TEXT, Goes::Host("VolumeDriver"), "The driver of the engine's volumes."),
    Keyword::new("sysctls", SYSCTLS, Goes::HostUnlessEmpty("Sysctls"), "Settings of the kernel.").made_by(make::sysctls).example(r#"{"net.core.somaxconn": 1024}"#),
    Keyword::new("cgroup_parent", TEXT, Goes::Host("CgroupParent"), "The cgroup that it is put in."),
    Keyword::new("cgroupns", TEXT, Goes::HostUnlessEmpty("CgroupnsMode"), "`private` or `host`."),
    Keyword::new("ipc_mode", TEXT, Goes::HostUnlessEmpty("IpcMode"), "Whose shared memory."),
    Keyword::new("pid_mode", TEXT, Goes::HostUnlessEmpty("PidMode"), "Whose processes."),
    Keyword::new("userns_mode", Kind::Word("host"), Goes::HostUnlessEmpty("UsernsMode"), "The host's users."),
    Keyword::new("uts_mode", Kind::Word("host"), Goes::HostUnlessEmpty("UTSMode"), "The host's name."),
    Keyword::new("isolation", TEXT, Goes::HostUnlessEmpty("Isolation"), "The technology, on Windows."),
];

const GPU: Kind = Kind::Any(&[Kind::Word("required"), Kind::Word("preferred")]);
