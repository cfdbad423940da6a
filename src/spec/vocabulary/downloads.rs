//! Downloads: what is put into a volume before the container starts.

use std::path::PathBuf;

use super::reading::Reading;
use super::row::{Class, Reads, Row};
use super::volumes::{ITS_VOLUME, VOLUME};
use crate::spec::builder::{Fetch, Mount};
use crate::spec::download::{Download, Downloaded};
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Kind, Member, Shape};
use crate::spec::json::{Fault, rule, shortened};

pub(super) static ROWS: &[&Row] = &[
    &GIRDER_FILE_ID_TO_VOLUME,
    &DIRECT_GIRDER_FILE_ID_TO_VOLUME,
    &GIRDER_ITEM_ID_TO_VOLUME,
    &GIRDER_FOLDER_ID_TO_VOLUME,
];

static GIRDER_FILE_ID_TO_VOLUME: Row = Row::new(
    Shape::new(
        "GirderFileIdToVolume",
        "A file of the Girder server, downloaded into a volume. As an argument it becomes its path in \
         the container.",
        &[
            FILE_ID,
            VOLUME,
            Member::optional(
                "filename",
                Kind::Text(&rule::ORDINARY_PATH),
                "Its path in the volume. Default: `<id>/<name>`, with its name in Girder.",
            )
            .or_null()
            .example(r#""in.csv""#),
        ],
    ),
    Reads::Download(|fields, reading| {
        let filename = fields.optional_text("filename").map(str::to_owned);
        download(fields, reading, |id| Downloaded::File { id, filename, direct: None })
    }),
)
.of_class(
    Class::new(
        "girder_worker.docker.transforms.girder.GirderFileIdToVolume",
        &[("_file_id", "id"), ITS_VOLUME, ("_filename", "filename")],
    )
    .ignoring(&["_file_path"]),
);

static DIRECT_GIRDER_FILE_ID_TO_VOLUME: Row = Row::new(
    Shape::new(
        "DirectGirderFileIdToVolume",
        "A file of the Girder server: mounted, read-only, under `/mnt/girder_direct_worker` if this host \
         has it at `direct_file_path`, else downloaded. As an argument it becomes its path in the \
         container.",
        &[
            FILE_ID,
            VOLUME,
            Member::optional(
                "filename",
                Kind::Text(&rule::ORDINARY_PATH),
                "Its path in the volume. Default: the last part of `direct_file_path`.",
            )
            .or_null()
            .example(r#""in.svs""#),
            Member::optional(
                "direct_file_path",
                Kind::Text(&rule::HOST_FILE),
                "Where Girder keeps it, if that can be said.",
            )
            .or_null()
            .example(r#""/assetstore/ab/cd/abcd""#),
        ],
    ),
    Reads::Download(|fields, reading| {
        let direct = fields.optional_text("direct_file_path");
        let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let filename = fields.optional_text("filename").map(str::to_owned);
        let filename = filename.or_else(|| direct.and_then(last));
        let direct = direct.map(PathBuf::from);
        download(fields, reading, |id| Downloaded::File { id, filename, direct })
    }),
)
.of_class(
    Class::new(
        "slicer_cli_web.girder_worker_plugin.direct_docker_run.DirectGirderFileIdToVolume",
        &[
            ("_file_id", "id"),
            ITS_VOLUME,
            ("_filename", "filename"),
            ("_direct_file_path", "direct_file_path"),
        ],
    )
    .ignoring(&["_file_path", "_direct_container_path"]),
);

static GIRDER_ITEM_ID_TO_VOLUME: Row = Row::new(
    Shape::new(
        "GirderItemIdToVolume",
        "All files of an item of the Girder server, downloaded into a volume. As an argument it becomes \
         their folder in the container.",
        &[
            Member::required("id", Kind::Text(&rule::GIRDER_ID), "The item's id.")
                .example(r#""6b02c2bf8ed649d13bc50b4e""#),
            VOLUME,
        ],
    ),
    Reads::Download(|fields, reading| download(fields, reading, |id| Downloaded::Item { id })),
)
.of_class(
    Class::new(
        "girder_worker.docker.transforms.girder.GirderItemIdToVolume",
        &[("_item_id", "id"), ITS_VOLUME],
    )
    .ignoring(&["_item_path"]),
);

static GIRDER_FOLDER_ID_TO_VOLUME: Row = Row::new(
    Shape::new(
        "GirderFolderIdToVolume",
        "A folder of the Girder server with all that is in it, downloaded into a volume. As an argument \
         it becomes its path in the container.",
        &[
            Member::required("id", Kind::Text(&rule::GIRDER_ID), "The folder's id.")
                .example(r#""6b02c2bf8ed649d13bc50b4d""#),
            VOLUME,
            Member::optional(
                "folder_name",
                Kind::Text(&rule::ORDINARY_PATH),
                "What it is called, under `<id>/` in the volume. Default: its name in Girder.",
            )
            .or_null()
            .example(r#""input""#),
        ],
    ),
    Reads::Download(|fields, reading| {
        let folder_name = fields.optional_text("folder_name").map(str::to_owned);
        download(fields, reading, |id| Downloaded::Folder { id, folder_name })
    }),
)
.of_class(
    Class::new(
        "girder_worker.docker.transforms.girder.GirderFolderIdToVolume",
        &[("_folder_id", "id"), ITS_VOLUME, ("_folder_name", "folder_name")],
    )
    .ignoring(&["_folder_path"]),
);

const FILE_ID: Member = Member::required("id", Kind::Text(&rule::GIRDER_ID), "The file's id.")
    .example(r#""6b02c2bf8ed649d13bc50b4f""#);

fn download(
    fields: &Fields<'_>,
    reading: &mut Reading,
    what: impl FnOnce(String) -> Downloaded,
) -> Result<Download, Fault> {
    let id = fields.text("id")?.to_owned();
    let volume =
        reading.volume_on_host(fields, || format!("the download of `{}`", shortened(&id)))?;
    Ok(Download { what: what(id), volume })
}

impl Fetch {
    /// A file (`GirderFileIdToVolume`).
    pub fn file(id: impl Into<String>) -> Self {
        Self::of(&GIRDER_FILE_ID_TO_VOLUME).with("id", id.into())
    }

    /// The files of an item (`GirderItemIdToVolume`).
    pub fn item(id: impl Into<String>) -> Self {
        Self::of(&GIRDER_ITEM_ID_TO_VOLUME).with("id", id.into())
    }

    /// A folder with all that is in it (`GirderFolderIdToVolume`).
    pub fn folder(id: impl Into<String>) -> Self {
        Self::of(&GIRDER_FOLDER_ID_TO_VOLUME).with("id", id.into())
    }

    /// Into another volume than the default temporary one.
    pub fn on(self, volume: &Mount) -> Self {
        self.with("volume", volume.0.clone())
    }

    /// What the file or the folder is called there, in place of its name in Girder.
    pub fn named(self, name: impl Into<String>) -> Self {
        let member = match self.0["type"] == GIRDER_FOLDER_ID_TO_VOLUME.shape.name {
            true => "folder_name",
            false => "filename",
        };
        self.with(member, name.into())
    }

    /// A path at which this host may have the file: mounted, if it can be read
    /// (`DirectGirderFileIdToVolume`).
    pub fn direct(self, path: impl Into<String>) -> Self {
        self.with("type", DIRECT_GIRDER_FILE_ID_TO_VOLUME.shape.name)
            .with("direct_file_path", path.into())
    }
}
