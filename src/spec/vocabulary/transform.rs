//! The table of the transforms: objects whose `type` is Girder Worker's class name, or one of ours.

use super::result_hook::{ITEM_METADATA, JOB_ARTIFACT, UPLOAD_TO_FOLDER, UPLOAD_TO_ITEM};
use crate::spec::json::rule;
use crate::spec::json::table::{Kind, Member, Relation, Shape};
use crate::spec::limits::{MAX_HEADERS, MAX_SIZE};

/// Every transform of this version.
pub(in crate::spec) static TRANSFORMS: &[&Shape] = &[
    &BIND_MOUNT_VOLUME,
    &TEMPORARY_VOLUME,
    &TEMPORARY_VOLUME_DEFAULT,
    &VOLUME_PATH,
    &NAMED_INPUT_PIPE,
    &NAMED_OUTPUT_PIPE,
    &CONNECT,
    &GIRDER_FILE_ID_TO_STREAM,
    &URL_TO_STREAM,
    &HOST_FILE_TO_STREAM,
    &CONTAINER_STD_OUT,
    &CONTAINER_STD_ERR,
    &HOST_STD_OUT,
    &HOST_STD_ERR,
    &HOST_FILE,
    &CHUNKED_TRANSFER_ENCODING_STREAM,
    &GIRDER_STREAM_TO_ITEM,
    &GIRDER_FILE_ID_TO_VOLUME,
    &DIRECT_GIRDER_FILE_ID_TO_VOLUME,
    &GIRDER_ITEM_ID_TO_VOLUME,
    &GIRDER_FOLDER_ID_TO_VOLUME,
    &PROGRESS_PIPE,
    &GIRDER_API_URL,
    &GIRDER_TOKEN,
    &UPLOAD_TO_ITEM,
    &UPLOAD_TO_FOLDER,
    &JOB_ARTIFACT,
    &ITEM_METADATA,
];

pub(in crate::spec) static VOLUMES: &[&Shape] =
    &[&BIND_MOUNT_VOLUME, &TEMPORARY_VOLUME, &TEMPORARY_VOLUME_DEFAULT];

/// What is downloaded into a volume.
pub(in crate::spec) static DOWNLOADS: &[&Shape] = &[
    &GIRDER_FILE_ID_TO_VOLUME,
    &DIRECT_GIRDER_FILE_ID_TO_VOLUME,
    &GIRDER_ITEM_ID_TO_VOLUME,
    &GIRDER_FOLDER_ID_TO_VOLUME,
];

static SOURCES: &[&Shape] = &[
    &GIRDER_FILE_ID_TO_STREAM,
    &URL_TO_STREAM,
    &HOST_FILE_TO_STREAM,
    &NAMED_OUTPUT_PIPE,
    &CONTAINER_STD_OUT,
    &CONTAINER_STD_ERR,
];

static SINKS: &[&Shape] = &[
    &NAMED_INPUT_PIPE,
    &HOST_STD_OUT,
    &HOST_STD_ERR,
    &HOST_FILE,
    &CHUNKED_TRANSFER_ENCODING_STREAM,
    &GIRDER_STREAM_TO_ITEM,
];

const A_VOLUME: &str = "`volumes`, `container_args` or the `volume` of another transform";
const A_SOURCE: &str = "the `input` of a Connect";
const A_SINK: &str = "the `output` of a Connect";
const AN_ARGUMENT: &str = "`container_args`";

/// The member `volume` of a transform.
const VOLUME: Kind = Kind::Any(&[Kind::Typed(VOLUMES), Kind::Text(&rule::NAME)]);
const ABOUT_VOLUME: &str =
    "A volume, or the name of a temporary one. Default: the default temporary volume.";

pub(in crate::spec) static BIND_MOUNT_VOLUME: Shape = Shape::new(
    "BindMountVolume",
    A_VOLUME,
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
);

pub(in crate::spec) static TEMPORARY_VOLUME: Shape = Shape::new(
    "TemporaryVolume",
    A_VOLUME,
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
);

pub(in crate::spec) static TEMPORARY_VOLUME_DEFAULT: Shape = Shape::new(
    "TemporaryVolume.default",
    A_VOLUME,
    "The temporary volume that every run has. As an argument it becomes its path in the container.",
    &[],
);

pub(in crate::spec) static VOLUME_PATH: Shape = Shape::new(
    "VolumePath",
    "`container_args` or the `volumepath` of a hook",
    "A file or folder in a volume. As an argument it becomes its path in the container.",
    &[
        Member::required("filename", Kind::Text(&rule::BENEATH), "The path in the volume.")
            .example(r#""out/result.csv""#),
        Member::optional("volume", VOLUME, ABOUT_VOLUME).example(r#""scratch""#),
    ],
);

pub(in crate::spec) static NAMED_INPUT_PIPE: Shape = Shape::new(
    "NamedInputPipe",
    "`container_args` or the `output` of a Connect",
    "A FIFO that the container reads. As an argument it becomes its path in the container.",
    PIPE,
)
.with_relations(PIPE_RELATIONS);

pub(in crate::spec) static NAMED_OUTPUT_PIPE: Shape = Shape::new(
    "NamedOutputPipe",
    "`container_args` or the `input` of a Connect",
    "A FIFO that the container writes. As an argument it becomes its path in the container.",
    PIPE,
)
.with_relations(PIPE_RELATIONS);

const PIPE: &[Member] = &[
    Member::required("name", Kind::Text(&rule::ORDINARY_PATH), "The FIFO's file name.")
        .example(r#""input.fifo""#),
    Member::optional("volume", VOLUME, ABOUT_VOLUME).example(r#""scratch""#),
    Member::optional(
        "container_path",
        Kind::Text(&rule::CONTAINER_FOLDER),
        "Instead of a volume: the folder in the container. It must be mounted there.",
    )
    .or_null()
    .example(r#""/mnt/data""#),
    Member::optional("host_path", Kind::Text(&rule::HOST_FOLDER), "The same folder on the host.")
        .or_null()
        .example(r#""/srv/data""#),
];

const PIPE_RELATIONS: &[Relation] = &[
    Relation::Together("container_path", "host_path"),
    Relation::Exclusive("volume", "container_path"),
];

pub(in crate::spec) static CONNECT: Shape = Shape::new(
    "Connect",
    "`container_args` or `stream_connectors`",
    "Streams from one source to one sink, one of which is the container's. As an argument it becomes \
     the path of the FIFO in it, or an empty string.",
    &[
        Member::required("input", Kind::Typed(SOURCES), "Where the bytes come from."),
        Member::required("output", Kind::Typed(SINKS), "Where they go."),
    ],
)
.with_relations(&[Relation::InContainer(&[
    ("input", &[&NAMED_OUTPUT_PIPE, &CONTAINER_STD_OUT, &CONTAINER_STD_ERR]),
    ("output", &[&NAMED_INPUT_PIPE]),
])]);

pub(in crate::spec) static GIRDER_FILE_ID_TO_STREAM: Shape = Shape::new(
    "GirderFileIdToStream",
    A_SOURCE,
    "A file of the Girder server.",
    &[Member::required("id", Kind::Text(&rule::GIRDER_ID), "The file's id.")
        .example(r#""6b02c2bf8ed649d13bc50b4f""#)],
);

pub(in crate::spec) static URL_TO_STREAM: Shape = Shape::new(
    "UrlToStream",
    A_SOURCE,
    "What an HTTP server has at an address.",
    &[
        Member::required("url", Kind::Text(&rule::URL), "The address.")
            .example(r#""https://data.example.org/file.bin""#),
        Member::optional(
            "headers",
            HEADERS,
            "Sent with the request, but not to another host after a redirect. Their values are never \
             printed.",
        )
        .or_null()
        .example(r#"{"Authorization": "Bearer …"}"#),
    ],
);

/// Headers of a request.
pub(in crate::spec) const HEADERS: Kind = Kind::Map {
    names: &rule::HEADER_NAME,
    of: &Kind::Text(&rule::HEADER_VALUE),
    most: MAX_HEADERS,
    unit: "headers",
};

pub(in crate::spec) static HOST_FILE_TO_STREAM: Shape = Shape::new(
    "HostFileToStream",
    A_SOURCE,
    "A file of the host.",
    &[Member::required("path", Kind::Text(&rule::PATH), "Its path.").example(r#""/srv/in.bin""#)],
);

pub(in crate::spec) static CONTAINER_STD_OUT: Shape =
    Shape::new("ContainerStdOut", A_SOURCE, "The container's standard output.", &[]);

pub(in crate::spec) static CONTAINER_STD_ERR: Shape =
    Shape::new("ContainerStdErr", A_SOURCE, "The container's standard error.", &[]);

pub(in crate::spec) static HOST_STD_OUT: Shape =
    Shape::new("HostStdOut", A_SINK, "Gantline's own standard output.", &[]);

pub(in crate::spec) static HOST_STD_ERR: Shape =
    Shape::new("HostStdErr", A_SINK, "Gantline's own standard error.", &[]);

pub(in crate::spec) static HOST_FILE: Shape = Shape::new(
    "HostFile",
    A_SINK,
    "A file of the host, which appears under its name when it is whole.",
    &[Member::required("path", Kind::Text(&rule::PATH), "Its path.").example(r#""/srv/out.bin""#)],
);

pub(in crate::spec) static CHUNKED_TRANSFER_ENCODING_STREAM: Shape = Shape::new(
    "ChunkedTransferEncodingStream",
    A_SINK,
    "An HTTP server, which is sent the bytes as they come: a POST with a chunked body.",
    &[
        Member::required("url", Kind::Text(&rule::URL), "The address.")
            .example(r#""https://data.example.org/sink""#),
        Member::optional(
            "headers",
            HEADERS,
            "Sent with the request. Their values are never printed.",
        )
        .or_null()
        .example(r#"{"Girder-Token": "…"}"#),
    ],
);

pub(in crate::spec) static GIRDER_STREAM_TO_ITEM: Shape = Shape::new(
    "GirderStreamToItem",
    A_SINK,
    "A new file in an item of the Girder server. It is there when the container has exited with 0; \
     of one that fails nothing stays.",
    &[
        Member::required("item_id", Kind::Text(&rule::GIRDER_ID), "The item's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4e""#),
        Member::required("name", Kind::Text(&rule::NAME), "The file's name.")
            .example(r#""out.bin""#),
        Member::optional(
            "size",
            Kind::Whole(MAX_SIZE),
            "Its size in bytes, if it is known: then it is uploaded while it is written. Without it \
             all bytes are kept on this host's disk until the container has exited.",
        )
        .or_null()
        .example("1048576"),
    ],
);

pub(in crate::spec) static GIRDER_FILE_ID_TO_VOLUME: Shape = Shape::new(
    "GirderFileIdToVolume",
    AN_ARGUMENT,
    "A file of the Girder server, downloaded into a volume. As an argument it becomes its path in \
     the container.",
    &[
        Member::required("id", Kind::Text(&rule::GIRDER_ID), "The file's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4f""#),
        Member::optional("volume", VOLUME, ABOUT_VOLUME).example(r#""scratch""#),
        FILENAME,
    ],
);

const FILENAME: Member = Member::optional(
    "filename",
    Kind::Text(&rule::ORDINARY_PATH),
    "Its path in the volume. Default: `<id>/<name>`, with its name in Girder.",
)
.or_null()
.example(r#""in.csv""#);

pub(in crate::spec) static DIRECT_GIRDER_FILE_ID_TO_VOLUME: Shape = Shape::new(
    "DirectGirderFileIdToVolume",
    AN_ARGUMENT,
    "A file of the Girder server: mounted, read-only, under `/mnt/girder_direct_worker` if this host \
     has it at `direct_file_path`, else downloaded. As an argument it becomes its path in the \
     container.",
    &[
        Member::required("id", Kind::Text(&rule::GIRDER_ID), "The file's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4f""#),
        Member::optional("volume", VOLUME, ABOUT_VOLUME).example(r#""scratch""#),
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
);

pub(in crate::spec) static GIRDER_ITEM_ID_TO_VOLUME: Shape = Shape::new(
    "GirderItemIdToVolume",
    AN_ARGUMENT,
    "All files of an item of the Girder server, downloaded into a volume. As an argument it becomes \
     their folder in the container.",
    &[
        Member::required("id", Kind::Text(&rule::GIRDER_ID), "The item's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4e""#),
        Member::optional("volume", VOLUME, ABOUT_VOLUME).example(r#""scratch""#),
    ],
);

pub(in crate::spec) static GIRDER_FOLDER_ID_TO_VOLUME: Shape = Shape::new(
    "GirderFolderIdToVolume",
    AN_ARGUMENT,
    "A folder of the Girder server with all that is in it, downloaded into a volume. As an argument \
     it becomes its path in the container.",
    &[
        Member::required("id", Kind::Text(&rule::GIRDER_ID), "The folder's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4d""#),
        Member::optional("volume", VOLUME, ABOUT_VOLUME).example(r#""scratch""#),
        Member::optional(
            "folder_name",
            Kind::Text(&rule::ORDINARY_PATH),
            "What it is called, under `<id>/` in the volume. Default: its name in Girder.",
        )
        .or_null()
        .example(r#""input""#),
    ],
);

pub(in crate::spec) static PROGRESS_PIPE: Shape = Shape::new(
    "ProgressPipe",
    AN_ARGUMENT,
    "A FIFO that the container writes its progress to: lines of JSON with `total`, `current`, \
     `message`. As an argument it becomes its path in the container.",
    &[
        Member::optional("name", Kind::Text(&rule::ORDINARY_PATH), "The FIFO's file name.")
            .default(r#"".girder_progress""#),
        Member::optional("volume", VOLUME, ABOUT_VOLUME).example(r#""scratch""#),
    ],
);

pub(in crate::spec) static GIRDER_API_URL: Shape = Shape::new(
    "GirderApiUrl",
    AN_ARGUMENT,
    "As an argument it becomes the address of the Girder server's API.",
    &[],
);

pub(in crate::spec) static GIRDER_TOKEN: Shape = Shape::new(
    "GirderToken",
    AN_ARGUMENT,
    "As an argument it becomes the token for the Girder server. Whoever may list processes or inspect \
     containers on this host can read it there.",
    &[],
);
