//! The table of the job document: `docker_run`'s parameters, and docker-py's.

use super::girder_job::GIRDER_JOB;
use super::volumes::{VOLUME_LIST, VOLUME_MAP};
use crate::spec::json::docker_py::KEYWORDS;
use crate::spec::json::rule;
use crate::spec::json::table::{Kind, Member, Role, Shape};
use crate::spec::limits::{MAX_ARGUMENTS, MAX_HOOKS, MAX_TRANSFERS};

/// The whole document.
pub(super) static DOCUMENT: Shape = Shape {
    name: "a job",
    about: "A container to run, what it is given, and where its data comes from and goes to. The \
            members are those of Girder Worker's docker_run.",
    members: &[
        Member::optional(
            "$schema",
            Kind::Text(&rule::ARGUMENT),
            "The address of this schema, for editors. Gantline does not look at it.",
        ),
        Member::optional(
            "$comment",
            Kind::Any(&[Kind::Text(&rule::ARGUMENT), COMMENTS]),
            "What the author wants to say. Gantline does not look at it.",
        ),
        Member::required(
            "image",
            Kind::Text(&rule::IMAGE),
            "The image, as `docker run` takes it: a name with a tag or digest, or an id.",
        )
        .example(r#""debian:12""#),
        Member::optional(
            "pull_image",
            Kind::Any(&[Kind::Bool, Kind::Word("if-not-present")]),
            "Whether the image is pulled first: true always, false never, \"if-not-present\" when \
             the engine does not have it.",
        )
        .default("true"),
        Member::optional(
            "verify",
            Kind::Any(&[
                Kind::Word("always"),
                Kind::Word("unless-spliced"),
                Kind::Word("large-only-by-length"),
                Kind::Word("never"),
            ]),
            "Which files of Girder's are held against the SHA-512 in their record. Their length always \
             has to be right. \"unless-spliced\": all but streams that the kernel moves past us, and \
             those too when they broke off. \"large-only-by-length\": those of at most 64 MiB.",
        )
        .default(r#""unless-spliced""#)
        .example(r#""large-only-by-length""#),
        Member::optional(
            "fast_stdout",
            Kind::Bool,
            "Whether the container writes its standard output into a FIFO, past the engine, which is about \
             five times as fast. So does its standard error, if it goes elsewhere than to our own.",
        )
        .default("false"),
        Member::optional(
            "entrypoint",
            Kind::Any(&[Kind::Text(&rule::ARGUMENT), ENTRYPOINT_LIST]),
            "Replaces the image's entrypoint. A string is one program, spaces and all.",
        )
        .or_null()
        .example(r#"["/bin/sh", "-c"]"#),
        Member::optional(
            "container_args",
            Kind::List { of: &ARGUMENT, most: MAX_ARGUMENTS, unit: "arguments" },
            "What the container's command is given: strings, numbers (as Python prints them) and \
             transforms.",
        )
        .or_null()
        .default("[]")
        .example(r#"["--level", 3, {"type": "VolumePath", "filename": "out.csv"}]"#),
        Member::optional(
            "volumes",
            Kind::Any(&[VOLUME_MAP, VOLUME_LIST]),
            "What is mounted: docker-py's mapping, or a list of docker-py's strings and volume \
             objects. The default temporary volume is there as well if anything names it.",
        )
        .or_null()
        .default("[]")
        .example(r#"{"/data": {"bind": "/mnt/data", "mode": "ro"}}"#),
        Member::optional(
            "remove_container",
            Kind::Bool,
            "Whether the container is removed when the run is over.",
        )
        .default("true"),
        Member::optional(
            "stream_connectors",
            Kind::List { of: &Kind::Typed(Role::Connect), most: MAX_TRANSFERS, unit: "transfers" },
            "Transfers beside those in container_args.",
        )
        .or_null()
        .default("[]")
        .example(
            r#"[{"type": "Connect", "input": {"type": "ContainerStdOut"},
                 "output": {"type": "HostFile", "path": "/tmp/log"}}]"#,
        ),
        Member::optional(
            "girder_result_hooks",
            Kind::List { of: &Kind::Typed(Role::Hook), most: MAX_HOOKS, unit: "hooks" },
            "What is done with results when the container has exited, in this order.",
        )
        .or_null()
        .default("[]")
        .example(
            r#"[{"type": "GirderUploadVolumePathToItem", "item_id": "6b02c2bf8ed649d13bc50b4e",
                 "volumepath": {"type": "VolumePath", "filename": "out.csv"}}]"#,
        ),
        Member::optional(
            "girder_job",
            Kind::Object(&GIRDER_JOB),
            "The job in Girder that is told status, log and progress.",
        )
        .or_null()
        .example(
            r#"{"url": "https://data.example.org/api/v1/job/6b02c2bf8ed649d13bc50b4c",
                "headers": {"Girder-Token": "…"}}"#,
        ),
        Member::optional(
            "girder_api_url",
            Kind::Text(&rule::API_URL),
            "The Girder server of the job's files.",
        )
        .or_null()
        .example(r#""https://data.example.org/api/v1""#),
        Member::optional(
            "girder_client_token",
            Kind::Text(&rule::TOKEN),
            "The token for that server. It is never printed.",
        )
        .or_null(),
    ],
    keywords: KEYWORDS,
    relations: &[],
    refused: REFUSED,
};

/// docker-py's keywords that a run does not take.
pub(super) static REFUSED: &[(&str, &str)] = &[
    ("tty", "a terminal would mix standard output and error, and change their bytes"),
    ("detach", "a run always waits for its container, and streams meanwhile"),
    ("command", "the command is `container_args`"),
    ("stdin", "a run does not stream standard input: connect a source to a NamedInputPipe"),
    ("stdout", "standard output is always streamed: connect ContainerStdOut to send it elsewhere"),
    ("stderr", "standard error is always streamed: connect ContainerStdErr to send it elsewhere"),
    ("stream", "standard output and error are always streamed"),
    ("version", "the version is agreed upon with the engine; DOCKER_API_VERSION fixes it"),
    ("init_path", "engines have not taken it since API 1.29: `init` is what is left of it"),
    ("lxc_conf", "engines have no LXC any more"),
];

const COMMENTS: Kind =
    Kind::List { of: &Kind::Text(&rule::ARGUMENT), most: MAX_ARGUMENTS, unit: "lines" };

pub(super) const ENTRYPOINT_LIST: Kind =
    Kind::List { of: &Kind::Text(&rule::ARGUMENT), most: MAX_ARGUMENTS, unit: "arguments" };

static ARGUMENT: Kind =
    Kind::Any(&[Kind::Text(&rule::ARGUMENT), Kind::Number, Kind::Typed(Role::Argument)]);
