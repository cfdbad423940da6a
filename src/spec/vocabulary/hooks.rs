//! Hooks: what is done with results when the container has exited.

use serde_json::{Map, Number, Value as Json};

use super::reading::Reading;
use super::row::{Class, Reads, Row};
use crate::spec::builder::{InVolume, ResultHook};
use crate::spec::hook::{Hook, Metadata, UploadOptions};
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Kind, Member, Role, Shape};
use crate::spec::json::{Fault, Node, Value, rule, shortened};
use crate::spec::volume::VolumePath;

pub(super) static ROWS: &[&Row] =
    &[&UPLOAD_TO_ITEM, &UPLOAD_TO_FOLDER, &JOB_ARTIFACT, &ITEM_METADATA];

static UPLOAD_TO_ITEM: Row = Row::new(
    Shape::new(
        "GirderUploadVolumePathToItem",
        "Uploads a file, or the files directly in a folder, to an item in Girder.",
        &[VOLUMEPATH, ITEM_ID, DELETE_FILE, UPLOAD_KWARGS, UPLOAD_ON_EXCEPTION, MUST_EXIST],
    ),
    Reads::Hook(|fields, reading| {
        Ok(Hook::UploadToItem {
            path: volumepath(fields, reading)?,
            item_id: fields.text("item_id")?.to_owned(),
            options: upload_options(fields),
        })
    }),
)
.of_class(
    Class::new(
        "girder_worker.docker.transforms.girder.GirderUploadVolumePathToItem",
        &[
            ITS_VOLUMEPATH,
            ("item_id", "item_id"),
            ("delete_file", "delete_file"),
            ("upload_kwargs", "upload_kwargs"),
        ],
    )
    .ignoring(NOT_OURS),
);

static UPLOAD_TO_FOLDER: Row = Row::new(
    Shape::new(
        "GirderUploadVolumePathToFolder",
        "Uploads a file, or a folder with all that is in it, to a folder in Girder.",
        &[
            VOLUMEPATH,
            Member::required("folder_id", Kind::Text(&rule::GIRDER_ID), "The folder's id.")
                .example(r#""6b02c2bf8ed649d13bc50b4d""#),
            DELETE_FILE,
            UPLOAD_KWARGS,
            UPLOAD_ON_EXCEPTION,
            MUST_EXIST,
        ],
    ),
    Reads::Hook(|fields, reading| {
        Ok(Hook::UploadToFolder {
            path: volumepath(fields, reading)?,
            folder_id: fields.text("folder_id")?.to_owned(),
            options: upload_options(fields),
        })
    }),
)
.of_class(
    Class::new(
        "girder_worker.docker.transforms.girder.GirderUploadVolumePathToFolder",
        &[
            ITS_VOLUMEPATH,
            ("folder_id", "folder_id"),
            ("delete_file", "delete_file"),
            ("upload_kwargs", "upload_kwargs"),
            ("must_exist", "must_exist"),
        ],
    )
    .ignoring(NOT_OURS),
);

static JOB_ARTIFACT: Row = Row::new(
    Shape::new(
        "GirderUploadVolumePathJobArtifact",
        "Attaches a file, or the files directly in a folder, to the job in Girder; nothing if there is none.",
        &[
            VOLUMEPATH,
            Member::optional(
                "job_id",
                Kind::Text(&rule::GIRDER_ID),
                "The job's id. Default: the one of `girder_job`.",
            )
            .or_null(),
            Member::optional(
                "name",
                Kind::Text(&rule::NAME),
                "What a single file is called. Default: its own name.",
            )
            .or_null()
            .example(r#""log.txt""#),
            UPLOAD_ON_EXCEPTION,
        ],
    ),
    Reads::Hook(|fields, reading| {
        Ok(Hook::JobArtifact {
            path: volumepath(fields, reading)?,
            job_id: fields.optional_text("job_id").map(str::to_owned),
            name: fields.optional_text("name").map(str::to_owned),
            upload_on_exception: flag(fields, "upload_on_exception", false),
        })
    }),
)
.of_class(
    Class::new(
        "girder_worker.docker.transforms.girder.GirderUploadVolumePathJobArtifact",
        &[
            ITS_VOLUMEPATH,
            ("job_id", "job_id"),
            ("name", "name"),
            ("_upload_on_exception", "upload_on_exception"),
        ],
    )
    .ignoring(NOT_OURS),
);

static ITEM_METADATA: Row = Row::new(
    Shape::new(
        "GirderItemMetadata",
        "Merges values into an item's metadata.",
        &[
            ITEM_ID,
            Member::required(
                "metadata",
                Kind::Values { or: Role::Path },
                "The values; or a VolumePath, of a file with a JSON object that the container wrote.",
            )
            .example(r#"{"processed": true, "score": 0.75}"#),
        ],
    ),
    Reads::Hook(|fields, reading| {
        let node = fields.need("metadata")?;
        let metadata = match reading.is(Role::Path, node) {
            true => Metadata::File(result_path(node, reading)?),
            false => Metadata::Values(values(node)),
        };
        Ok(Hook::ItemMetadata { item_id: fields.text("item_id")?.to_owned(), metadata })
    }),
);

const VOLUMEPATH: Member =
    Member::required("volumepath", Kind::Typed(Role::Path), "The file or folder.")
        .example(r#"{"type": "VolumePath", "filename": "out.csv"}"#);

const ITEM_ID: Member = Member::required("item_id", Kind::Text(&rule::GIRDER_ID), "The item's id.")
    .example(r#""6b02c2bf8ed649d13bc50b4e""#);

const DELETE_FILE: Member =
    Member::optional("delete_file", Kind::Bool, "Whether what was uploaded is deleted.")
        .default("false");

const UPLOAD_ON_EXCEPTION: Member = Member::optional(
    "upload_on_exception",
    Kind::Bool,
    "Whether this is also done after a run that failed or was cancelled.",
)
.default("false");

const MUST_EXIST: Member = Member::optional(
    "must_exist",
    Kind::Bool,
    "Whether it is an error if there is nothing to upload.",
)
.default("true");

const UPLOAD_KWARGS: Member = Member::optional(
    "upload_kwargs",
    Kind::Object(&UPLOAD_KWARGS_SHAPE),
    "What Girder is told about each file.",
)
.or_null()
.default("{}");

static UPLOAD_KWARGS_SHAPE: Shape = Shape::new(
    "upload_kwargs",
    "What Girder is told about each file.",
    &[
        Member::optional(
            "reference",
            Kind::Text(&rule::REFERENCE),
            "Handed to Girder's event handlers as it is.",
        )
        .or_null()
        .example(r#""{\"step\": 1}""#),
        Member::optional(
            "mimeType",
            Kind::Text(&rule::MIME_TYPE),
            "The files' type. Default: guessed by each name.",
        )
        .or_null()
        .example(r#""text/csv""#),
    ],
);

const ITS_VOLUMEPATH: (&str, &str) = ("_volumepath", "volumepath");

/// `job` is Girder's whole record: what matters of it is in the message's headers.
const NOT_OURS: &[&str] = &["job", "output_file_path"];

fn volumepath(fields: &Fields<'_>, reading: &mut Reading) -> Result<VolumePath, Fault> {
    result_path(fields.need("volumepath")?, reading)
}

/// A path in a volume that we read.
fn result_path(node: &Node, reading: &mut Reading) -> Result<VolumePath, Fault> {
    let path = reading.path(node)?;
    let what = || format!("the upload of `{}`", shortened(&path.filename));
    reading.volumes.on_host(path.volume, node.at, what)?;
    Ok(path)
}

fn upload_options(fields: &Fields<'_>) -> UploadOptions {
    let kwargs = fields.get("upload_kwargs").map(Fields::of);
    let text = |name| kwargs.and_then(|kwargs| kwargs.optional_text(name)).map(str::to_owned);
    UploadOptions {
        delete_file: flag(fields, "delete_file", false),
        upload_on_exception: flag(fields, "upload_on_exception", false),
        must_exist: flag(fields, "must_exist", true),
        reference: text("reference"),
        mime_type: text("mimeType"),
    }
}

fn flag(fields: &Fields<'_>, name: &str, default: bool) -> bool {
    fields.get(name).and_then(Node::as_bool).unwrap_or(default)
}

/// The members of an object as serde_json has them.
fn values(node: &Node) -> Map<String, Json> {
    Fields::of(node).iter().map(|(name, value)| (name.to_owned(), json(value))).collect()
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        // The check has seen that a float can hold it.
        Value::Number(digits) => digits.parse::<Number>().map_or(Json::Null, Json::Number),
        Value::String(text) => Json::String(text.clone()),
        Value::Array(items) => Json::Array(items.iter().map(json).collect()),
        Value::Object(_) => Json::Object(values(node)),
    }
}

impl ResultHook {
    /// Uploads to an item (`GirderUploadVolumePathToItem`).
    pub fn to_item(path: InVolume, item_id: impl Into<String>) -> Self {
        Self::of(&UPLOAD_TO_ITEM).with("volumepath", path.0).with("item_id", item_id.into())
    }

    /// Uploads to a folder (`GirderUploadVolumePathToFolder`).
    pub fn to_folder(path: InVolume, folder_id: impl Into<String>) -> Self {
        Self::of(&UPLOAD_TO_FOLDER).with("volumepath", path.0).with("folder_id", folder_id.into())
    }

    /// Attaches to the job in Girder (`GirderUploadVolumePathJobArtifact`).
    pub fn artifact(path: InVolume) -> Self {
        Self::of(&JOB_ARTIFACT).with("volumepath", path.0)
    }

    /// Merges values into an item's metadata (`GirderItemMetadata`). They are an object; one whose
    /// `type` is `VolumePath` is what [`ResultHook::metadata_file`] says.
    pub fn metadata(item_id: impl Into<String>, values: impl Into<Json>) -> Self {
        Self::of(&ITEM_METADATA).with("item_id", item_id.into()).with("metadata", values)
    }

    /// Merges the JSON object in a file into an item's metadata (`GirderItemMetadata`).
    pub fn metadata_file(item_id: impl Into<String>, file: InVolume) -> Self {
        Self::metadata(item_id, file.0)
    }

    /// Deletes what was uploaded.
    pub fn delete_file(self) -> Self {
        self.with("delete_file", true)
    }

    /// Does it also after a run that failed or was cancelled.
    pub fn upload_on_exception(self) -> Self {
        self.with("upload_on_exception", true)
    }

    /// It is no error if there is nothing to upload.
    pub fn optional(self) -> Self {
        self.with("must_exist", false)
    }

    /// Handed to Girder's event handlers with an upload.
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.0["upload_kwargs"]["reference"] = Json::String(reference.into());
        self
    }

    /// The type of what is uploaded.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.0["upload_kwargs"]["mimeType"] = Json::String(mime_type.into());
        self
    }

    /// What an artifact is called.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.with("name", name.into())
    }

    /// The job that an artifact is attached to, if it is not the run's own.
    pub fn job_id(self, id: impl Into<String>) -> Self {
        self.with("job_id", id.into())
    }
}
