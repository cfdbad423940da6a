//! Sources: where a transfer's bytes come from.

use super::http::{headers, headers_member, url, url_member};
use super::row::{Class, Reads, Row};
use crate::spec::Secret;
use crate::spec::builder::Input;
use crate::spec::connect::Source;
use crate::spec::json::rule;
use crate::spec::json::table::{Kind, Member, Shape};

pub(super) static ROWS: &[&Row] = &[
    &GIRDER_FILE_ID_TO_STREAM,
    &URL_TO_STREAM,
    &HOST_FILE_TO_STREAM,
    &CONTAINER_STD_OUT,
    &CONTAINER_STD_ERR,
];

static GIRDER_FILE_ID_TO_STREAM: Row = Row::new(
    Shape::new(
        "GirderFileIdToStream",
        "A file of the Girder server.",
        &[Member::required("id", Kind::Text(&rule::GIRDER_ID), "The file's id.")
            .example(r#""6b02c2bf8ed649d13bc50b4f""#)],
    ),
    Reads::Source(|fields, _| Ok(Source::GirderFile { id: fields.text("id")?.to_owned() })),
)
.of_class(Class::new(
    "girder_worker.docker.transforms.girder.GirderFileIdToStream",
    &[("file_id", "id")],
));

static URL_TO_STREAM: Row = Row::new(
    Shape::new(
        "UrlToStream",
        "What an HTTP server has at an address.",
        &[
            url_member("The address.", r#""https://data.example.org/file.bin""#),
            headers_member(
                "Sent with the request, but not to another host after a redirect. Their values are never \
                 printed.",
                r#"{"Authorization": "Bearer …"}"#,
            ),
        ],
    ),
    Reads::Source(|fields, _| Ok(Source::Url { url: url(fields)?, headers: headers(fields)? })),
);

static HOST_FILE_TO_STREAM: Row = Row::new(
    Shape::new(
        "HostFileToStream",
        "A file of the host.",
        &[Member::required("path", Kind::Text(&rule::HOST_FOLDER), "Its path.")
            .example(r#""/srv/in.bin""#)],
    ),
    Reads::Source(|fields, _| Ok(Source::HostFile { path: fields.text("path")?.into() })),
);

static CONTAINER_STD_OUT: Row = Row::new(
    Shape::new("ContainerStdOut", "The container's standard output.", &[FAST]),
    Reads::ContainerStream(|_, _| Ok(Source::ContainerStdOut)),
)
.of_class(Class::new("girder_worker.docker.transforms.ContainerStdOut", &[]));

static CONTAINER_STD_ERR: Row = Row::new(
    Shape::new("ContainerStdErr", "The container's standard error.", &[FAST]),
    Reads::ContainerStream(|_, _| Ok(Source::ContainerStdErr)),
)
.of_class(Class::new("girder_worker.docker.transforms.ContainerStdErr", &[]));

const FAST: Member = Member::optional(
    "fast",
    Kind::Bool,
    "Whether it goes into a FIFO, past the engine, as standard output does with `fast_stdout`.",
)
.default("false");

impl Input {
    /// A file in Girder (`GirderFileIdToStream`).
    pub fn girder_file(id: impl Into<String>) -> Self {
        Self::of(&GIRDER_FILE_ID_TO_STREAM).with("id", id.into())
    }

    /// An HTTP GET (`UrlToStream`).
    pub fn url(url: impl Into<String>) -> Self {
        Self::of(&URL_TO_STREAM).with("url", url.into())
    }

    /// A header of that GET.
    pub fn header(self, name: impl Into<String>, value: Secret) -> Self {
        self.with_header(name.into(), &value)
    }

    /// A file of the host (`HostFileToStream`).
    pub fn host_file(path: impl Into<String>) -> Self {
        Self::of(&HOST_FILE_TO_STREAM).with("path", path.into())
    }

    /// The container's standard output (`ContainerStdOut`).
    pub fn container_stdout() -> Self {
        Self::of(&CONTAINER_STD_OUT)
    }

    /// The container's standard error (`ContainerStdErr`).
    pub fn container_stderr() -> Self {
        Self::of(&CONTAINER_STD_ERR)
    }

    /// Has one of these two come by a FIFO, past the engine.
    pub fn fast(self) -> Self {
        self.with("fast", true)
    }
}
