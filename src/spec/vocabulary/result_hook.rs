//! The table of the result hooks, and of the job in Girder.

use super::transform::{HEADERS, VOLUME_PATH};
use crate::spec::json::rule;
use crate::spec::json::table::{Kind, Member, Shape};

/// Every hook.
pub(in crate::spec) static HOOKS: &[&Shape] =
    &[&UPLOAD_TO_ITEM, &UPLOAD_TO_FOLDER, &JOB_ARTIFACT, &ITEM_METADATA];

const A_HOOK: &str = "`girder_result_hooks`";

const VOLUMEPATH: Kind = Kind::Typed(&[&VOLUME_PATH]);
const VOLUMEPATH_EXAMPLE: &str = r#"{"type": "VolumePath", "filename": "out.csv"}"#;

pub(in crate::spec) static UPLOAD_TO_ITEM: Shape = Shape::new(
    "GirderUploadVolumePathToItem",
    A_HOOK,
    "Uploads a file, or the files directly in a folder, to an item in Girder.",
    &[
        Member::required("volumepath", VOLUMEPATH, "The file or folder.")
            .example(VOLUMEPATH_EXAMPLE),
        Member::required("item_id", Kind::Text(&rule::GIRDER_ID), "The item's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4e""#),
        DELETE_FILE,
        UPLOAD_KWARGS,
        UPLOAD_ON_EXCEPTION,
        MUST_EXIST,
    ],
);

pub(in crate::spec) static UPLOAD_TO_FOLDER: Shape = Shape::new(
    "GirderUploadVolumePathToFolder",
    A_HOOK,
    "Uploads a file, or a folder with all that is in it, to a folder in Girder.",
    &[
        Member::required("volumepath", VOLUMEPATH, "The file or folder.")
            .example(VOLUMEPATH_EXAMPLE),
        Member::required("folder_id", Kind::Text(&rule::GIRDER_ID), "The folder's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4d""#),
        DELETE_FILE,
        UPLOAD_KWARGS,
        UPLOAD_ON_EXCEPTION,
        MUST_EXIST,
    ],
);

pub(in crate::spec) static JOB_ARTIFACT: Shape = Shape::new(
    "GirderUploadVolumePathJobArtifact",
    A_HOOK,
    "Attaches a file, or the files directly in a folder, to the job in Girder; nothing if there is none.",
    &[
        Member::required("volumepath", VOLUMEPATH, "The file or folder.")
            .example(VOLUMEPATH_EXAMPLE),
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
);

pub(in crate::spec) static ITEM_METADATA: Shape = Shape::new(
    "GirderItemMetadata",
    A_HOOK,
    "Merges values into an item's metadata.",
    &[
        Member::required("item_id", Kind::Text(&rule::GIRDER_ID), "The item's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4e""#),
        Member::required(
            "metadata",
            Kind::Values { or: &VOLUME_PATH },
            "The values; or a VolumePath, of a file with a JSON object that the container wrote.",
        )
        .example(r#"{"processed": true, "score": 0.75}"#),
    ],
);

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
    "an upload",
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

/// The job in Girder, as `jobInfoSpec` says it.
pub(in crate::spec) static GIRDER_JOB: Shape = Shape::new(
    "girder_job",
    "a job",
    "Where status, log and progress are sent: what Girder calls jobInfoSpec.",
    &[
        Member::required("url", Kind::Text(&rule::URL), "The job's own address.")
            .example(r#""https://data.example.org/api/v1/job/6b02c2bf8ed649d13bc50b4c""#),
        Member::optional(
            "headers",
            HEADERS,
            "Sent with every update. Their values are never printed.",
        )
        .or_null()
        .example(r#"{"Girder-Token": "…"}"#),
        Member::optional(
            "method",
            Kind::Any(&[Kind::Word("PUT"), Kind::Word("POST"), Kind::Word("PATCH")]),
            "How it is updated.",
        )
        .default(r#""PUT""#),
    ],
);
