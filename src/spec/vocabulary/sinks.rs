//! Sinks: where a transfer's bytes go.

use super::http::{headers, headers_member, url, url_member};
use super::row::{Class, Reads, Row};
use crate::spec::Secret;
use crate::spec::builder::Output;
use crate::spec::connect::Sink;
use crate::spec::json::table::{Kind, Member, Shape};
use crate::spec::json::{Node, rule};
use crate::spec::limits::MAX_SIZE;

pub(super) static ROWS: &[&Row] = &[
    &HOST_STD_OUT,
    &HOST_STD_ERR,
    &HOST_FILE,
    &CHUNKED_TRANSFER_ENCODING_STREAM,
    &GIRDER_STREAM_TO_ITEM,
];

static HOST_STD_OUT: Row = Row::new(
    Shape::new("HostStdOut", "Gantline's own standard output.", &[]),
    Reads::Sink(|_, _| Ok(Sink::HostStdOut)),
)
.of_class(Class::new("girder_worker.docker.transforms.HostStdOut", &[]));

static HOST_STD_ERR: Row = Row::new(
    Shape::new("HostStdErr", "Gantline's own standard error.", &[]),
    Reads::Sink(|_, _| Ok(Sink::HostStdErr)),
)
.of_class(Class::new("girder_worker.docker.transforms.HostStdErr", &[]));

static HOST_FILE: Row = Row::new(
    Shape::new(
        "HostFile",
        "A file of the host, which appears under its name when it is whole.",
        &[Member::required("path", Kind::Text(&rule::HOST_FOLDER), "Its path.")
            .example(r#""/srv/out.bin""#)],
    ),
    Reads::Sink(|fields, _| Ok(Sink::HostFile { path: fields.text("path")?.into() })),
);

static CHUNKED_TRANSFER_ENCODING_STREAM: Row = Row::new(
    Shape::new(
        "ChunkedTransferEncodingStream",
        "An HTTP server, which is sent the bytes as they come: a POST with a chunked body.",
        &[
            url_member("The address.", r#""https://data.example.org/sink""#),
            headers_member(
                "Sent with the request. Their values are never printed.",
                r#"{"Girder-Token": "…"}"#,
            ),
        ],
    ),
    Reads::Sink(|fields, _| Ok(Sink::ChunkedPost { url: url(fields)?, headers: headers(fields)? })),
)
.of_class(Class::new(
    "girder_worker.docker.transforms.ChunkedTransferEncodingStream",
    &[("url", "url"), ("headers", "headers")],
));

static GIRDER_STREAM_TO_ITEM: Row = Row::new(
    Shape::new(
        "GirderStreamToItem",
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
    ),
    Reads::Sink(|fields, _| {
        Ok(Sink::GirderItem {
            item_id: fields.text("item_id")?.to_owned(),
            name: fields.text("name")?.to_owned(),
            size: fields.get("size").and_then(Node::as_whole),
        })
    }),
);

impl Output {
    /// Our own standard output (`HostStdOut`).
    pub fn host_stdout() -> Self {
        Self::of(&HOST_STD_OUT)
    }

    /// Our own standard error (`HostStdErr`).
    pub fn host_stderr() -> Self {
        Self::of(&HOST_STD_ERR)
    }

    /// A file of the host, which appears under its name when it is whole (`HostFile`).
    pub fn host_file(path: impl Into<String>) -> Self {
        Self::of(&HOST_FILE).with("path", path.into())
    }

    /// An HTTP POST with a chunked body (`ChunkedTransferEncodingStream`).
    pub fn chunked_post(url: impl Into<String>) -> Self {
        Self::of(&CHUNKED_TRANSFER_ENCODING_STREAM).with("url", url.into())
    }

    /// A header of that POST.
    pub fn header(self, name: impl Into<String>, value: Secret) -> Self {
        self.with_header(name.into(), &value)
    }

    /// A new file in an item of Girder (`GirderStreamToItem`), if the container succeeds.
    pub fn girder_item(item_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self::of(&GIRDER_STREAM_TO_ITEM).with("item_id", item_id.into()).with("name", name.into())
    }

    /// The size of that file in bytes, if it is known: then it is uploaded while it is written.
    pub fn size(self, bytes: u64) -> Self {
        self.with("size", bytes)
    }
}
