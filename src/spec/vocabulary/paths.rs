//! Paths in volumes, and lists of them.

use super::row::{Class, Reads, Row};
use super::volumes::{ITS_VOLUME, VOLUME};
use crate::spec::Argument;
use crate::spec::builder::{Arg, InVolume, Mount};
use crate::spec::json::rule;
use crate::spec::json::table::{Kind, Member, Role, Shape};
use crate::spec::limits::MAX_ARGUMENTS;
use crate::spec::volume::VolumePath;

pub(super) static ROWS: &[&Row] = &[&VOLUME_PATH, &COMMA_JOINED_VOLUMES];

static VOLUME_PATH: Row = Row::new(
    Shape::new(
        "VolumePath",
        "A file or folder in a volume. As an argument it becomes its path in the container.",
        &[
            Member::required("filename", Kind::Text(&rule::BENEATH), "The path in the volume.")
                .example(r#""out/result.csv""#),
            VOLUME,
        ],
    ),
    Reads::Path(|fields, reading| {
        let filename = fields.text("filename")?.to_owned();
        Ok(VolumePath { filename, volume: reading.volume_of(fields)? })
    }),
)
.of_class(Class::new(
    "girder_worker.docker.transforms.VolumePath",
    &[("filename", "filename"), ITS_VOLUME],
));

static COMMA_JOINED_VOLUMES: Row = Row::new(
    Shape::new(
        "CommaJoinedVolumes",
        "Volumes, paths in volumes and downloads whose paths in the container are one argument, joined by \
         commas.",
        &[Member::required(
            "volumes",
            Kind::List { of: &Kind::Typed(Role::Part), most: MAX_ARGUMENTS, unit: "volumes" },
            "What is joined, in this order.",
        )
        .example(r#"[{"type": "VolumePath", "filename": "a"}, {"type": "TemporaryVolume.default"}]"#)],
    ),
    Reads::Argument(|fields, reading| {
        let parts = fields.need("volumes")?.items().iter();
        parts.map(|part| reading.argument(part)).collect::<Result<_, _>>().map(Argument::CommaJoined)
    }),
)
.of_class(Class::new(
    "slicer_cli_web.girder_worker_plugin.direct_docker_run.CommaJoinedVolumes",
    &[("_volumes", "volumes")],
));

impl InVolume {
    /// A relative path in the default temporary volume (`VolumePath`).
    pub fn new(filename: impl Into<String>) -> Self {
        Self::of(&VOLUME_PATH).with("filename", filename.into())
    }

    /// In another volume.
    pub fn on(self, volume: &Mount) -> Self {
        self.with("volume", volume.0.clone())
    }
}

impl Arg {
    /// Volumes, paths in volumes and downloads, whose paths become one argument, joined by commas
    /// (`CommaJoinedVolumes`).
    pub fn comma_joined<T: Into<Self>>(parts: impl IntoIterator<Item = T>) -> Self {
        let parts: Vec<_> = parts.into_iter().map(|part| part.into().0).collect();
        Self::of(&COMMA_JOINED_VOLUMES).with("volumes", parts)
    }
}
