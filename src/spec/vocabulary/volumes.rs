//! Volumes: what is mounted into the container.

use std::path::PathBuf;

use super::declared::{Temporary, mode_or_rw};
use super::row::{Class, Reads, Row};
use crate::spec::builder::Mount;
use crate::spec::json::table::{Kind, Member, Role, Shape};
use crate::spec::json::{Node, rule};
use crate::spec::volume::{BindMount, VolumeRef};

pub(super) static ROWS: &[&Row] =
    &[&BIND_MOUNT_VOLUME, &TEMPORARY_VOLUME, &TEMPORARY_VOLUME_DEFAULT];

/// The member `volume` of a transform.
pub(super) const VOLUME: Member = Member::optional(
    "volume",
    A_VOLUME,
    "A volume, or the name of a temporary one. Default: the default temporary volume.",
)
.example(r#""scratch""#);

const A_VOLUME: Kind = Kind::Any(&[Kind::Typed(Role::Volume), Kind::Text(&rule::NAME)]);

/// The attribute of Girder Worker's that is the member `volume`.
pub(super) const ITS_VOLUME: (&str, &str) = ("_volume", "volume");

static BIND_MOUNT_VOLUME: Row = Row::new(
    Shape::new(
        "BindMountVolume",
        "A path of the host that is mounted into the container. As an argument it becomes its path there.",
        &[
            Member::required(
                "host_path",
                Kind::Text(&rule::BIND_HOST),
                "The path on the host, or the name of an engine's volume.",
            )
            .example(r#""/srv/data""#),
            Member::required(
                "container_path",
                Kind::Text(&rule::MOUNT_POINT),
                "The path in the container.",
            )
            .example(r#""/mnt/data""#),
            Member::optional("mode", Kind::Text(&rule::MODE), "docker's mode.").default(r#""rw""#),
        ],
    ),
    Reads::Volume(|fields, reading| {
        let bind = BindMount {
            host_path: fields.text("host_path")?.to_owned(),
            container_path: fields.text("container_path")?.to_owned(),
            mode: mode_or_rw(fields.optional_text("mode")),
        };
        reading.volumes.bind(bind, fields.at())
    }),
)
.of_class(Class::new(
    "girder_worker.docker.transforms.BindMountVolume",
    &[("_host_path", "host_path"), ("_container_path", "container_path"), ("mode", "mode")],
));

static TEMPORARY_VOLUME: Row = Row::new(
    Shape::new(
        "TemporaryVolume",
        "A new directory that is mounted into the container and removed after the run. As an argument it \
         becomes its path there.",
        &[
            Member::optional(
                "name",
                Kind::Text(&rule::NAME),
                "What other transforms call it by. Two with one name are one volume.",
            )
            .or_null()
            .example(r#""scratch""#),
            Member::optional(
                "host_dir",
                Kind::Text(&rule::HOST_FOLDER),
                "The folder of the host in which the directory is made. Default: TMPDIR.",
            )
            .or_null()
            .example(r#""/scratch""#),
            Member::optional(
                "mode",
                Kind::Whole(0o7777),
                "The permissions of `host_dir` if it has to be made, as a number: 511 is 0o777.",
            )
            .default("511"),
        ],
    ),
    Reads::Volume(|fields, reading| {
        let mode = fields.get("mode").and_then(Node::as_whole);
        let temporary = Temporary {
            name: fields.optional_text("name").map(str::to_owned),
            host_dir: fields.optional_text("host_dir").map(PathBuf::from),
            mode: mode.and_then(|mode| u32::try_from(mode).ok()),
        };
        reading.volumes.temporary(temporary, fields.at())
    }),
)
.of_class(
    Class::new(
        "girder_worker.docker.transforms.TemporaryVolume",
        &[("host_dir", "host_dir"), ("_mode", "mode")],
    )
    .ignoring(&["_host_path", "_container_path", "mode", "_transformed", "_instance"])
    // The same object elsewhere is the same volume.
    .identified_by("name"),
);

static TEMPORARY_VOLUME_DEFAULT: Row = Row::new(
    Shape::new(
        "TemporaryVolume.default",
        "The default temporary volume, which is mounted if anything names it. As an argument it becomes its path in the container.",
        &[],
    ),
    Reads::Volume(|_, _| Ok(VolumeRef::DEFAULT)),
)
.of_class(
    Class::new("girder_worker.docker.transforms._DefaultTemporaryVolume", &[]).ignoring(&[
        "host_dir",
        "_mode",
        "_host_path",
        "_container_path",
        "mode",
        "_transformed",
    ]),
);

impl Mount {
    /// A path of the host, or an engine's volume, at a path in the container (`BindMountVolume`).
    pub fn bind(host_path: impl Into<String>, container_path: impl Into<String>) -> Self {
        Self::of(&BIND_MOUNT_VOLUME)
            .with("host_path", host_path.into())
            .with("container_path", container_path.into())
    }

    /// A new directory, which is removed after the run (`TemporaryVolume`). One name is one volume.
    pub fn temporary(name: impl Into<String>) -> Self {
        Self::of(&TEMPORARY_VOLUME).with("name", name.into())
    }

    /// The temporary volume that every run has (`TemporaryVolume.default`).
    pub fn default_temporary() -> Self {
        Self::of(&TEMPORARY_VOLUME_DEFAULT)
    }

    /// docker's mode of a bind mount, such as `ro`.
    pub fn mode(self, mode: impl Into<String>) -> Self {
        self.with("mode", mode.into())
    }

    /// The folder of the host in which a temporary volume is made.
    pub fn host_dir(self, path: impl Into<String>) -> Self {
        self.with("host_dir", path.into())
    }
}
