//! Paths in volumes.

use super::row::{Class, Reads, Row};
use super::volumes::{ITS_VOLUME, VOLUME};
use crate::spec::builder::{InVolume, Mount};
use crate::spec::json::rule;
use crate::spec::json::table::{Kind, Member, Shape};
use crate::spec::volume::VolumePath;

pub(super) static ROWS: &[&Row] = &[&VOLUME_PATH];

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
