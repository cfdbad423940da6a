//! The job that Girder is asked to make for a follower.

use serde_json::{Map, Value as Json};

use super::Arguments;
use super::options::Options;
use crate::worker::celery::pickle::model;
use crate::worker::celery::task::Head;

/// The fields of `POST /job`. Girder's answer has the `jobInfoSpec`.
///
/// Arguments are shown as in every record of a job: objects by their class, so that no token is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobForm {
    /// Names and values, in the order in which they are sent.
    pub fields: Vec<(&'static str, String)>,
}

/// `args`, `kwargs` and `otherFields` are JSON; what is not said is as Girder Worker's tasks have it.
pub(super) fn form(
    options: &Options<'_>,
    arguments: &Arguments<'_, '_>,
    id: &str,
    parent: &Head,
) -> JobForm {
    let text = |name, default: &str| {
        options.of_the_job(name).and_then(Json::as_str).unwrap_or(default).to_owned()
    };
    let is_public = options.of_the_job("girder_job_public") == Some(&Json::Bool(true));
    let first = arguments.first.cloned().into_iter();
    let args = arguments.args.iter().map(|arg| model(arguments.pickle, arg, 0));
    let args: Json = first.chain(args).collect();
    let kwargs = arguments.kwargs.iter();
    let kwargs: Map<String, Json> = kwargs
        .map(|(name, value)| ((*name).to_owned(), model(arguments.pickle, value, 0)))
        .collect();

    let mut others = Map::new();
    if let Some(Json::Object(given)) = options.of_the_job("girder_job_other_fields") {
        others.clone_from(given);
    }
    others.insert("celeryTaskId".to_owned(), id.into());
    // Girder looks for the parent's job by it, and answers 500 if there is none.
    if parent.girder.job.is_some() {
        others.insert("celeryParentTaskId".to_owned(), parent.id.as_str().into());
    }
    JobForm {
        fields: vec![
            ("title", text("girder_job_title", "<unnamed job>")),
            ("type", text("girder_job_type", "celery")),
            ("handler", text("girder_job_handler", "celery_handler")),
            ("public", is_public.to_string()),
            ("args", args.to_string()),
            ("kwargs", Json::Object(kwargs).to_string()),
            ("otherFields", Json::Object(others).to_string()),
        ],
    }
}
