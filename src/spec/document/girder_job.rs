//! The job in Girder that is told about the run.

use crate::spec::girder_job::{GirderJob, GirderSession};
use crate::spec::json::Fault;
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Kind, Member, Shape};
use crate::spec::vocabulary::http::{headers, headers_member, url, url_member};

/// The job in Girder, as `jobInfoSpec` says it.
pub(super) static GIRDER_JOB: Shape = Shape::new(
    "girder_job",
    "Where status, log and progress are sent: what Girder calls jobInfoSpec.",
    &[
        url_member(
            "The job's own address.",
            r#""https://data.example.org/api/v1/job/6b02c2bf8ed649d13bc50b4c""#,
        ),
        headers_member(
            "Sent with every update. Their values are never printed.",
            r#"{"Girder-Token": "…"}"#,
        ),
        Member::optional(
            "method",
            Kind::Any(&[Kind::Word("PUT"), Kind::Word("POST"), Kind::Word("PATCH")]),
            "How it is updated.",
        )
        .default(r#""PUT""#),
        Member::optional(
            "reference",
            Kind::Anything,
            "What Girder calls the job. Gantline does not look at it.",
        ),
        Member::optional(
            "logPrint",
            Kind::Anything,
            "Whether Girder Worker prints to the log. Gantline does not look at it.",
        ),
    ],
);

/// Reads it.
pub(super) fn girder_job(fields: &Fields<'_>) -> Result<GirderJob, Fault> {
    Ok(GirderJob {
        url: url(fields)?,
        headers: headers(fields)?,
        method: fields.optional_text("method").unwrap_or(GirderJob::METHOD).to_owned(),
        session: GirderSession::default(),
    })
}
