//! What follows a task: published before its result, each with a job in Girder of its own.

use std::time::SystemTime;

use serde_json::Value;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::girder::{GirderError, JobClient, Token};
use crate::run::chain;
use crate::worker::celery::{Follower, GirderHeaders, JobForm, Predecessor};
use crate::worker::ended::Ended;
use crate::worker::node::Node;
use crate::worker::outbox::Letter;
use crate::worker::taken::Taken;

/// Publishes what follows a task, and gives the ids of what it published. After a cancel nothing follows.
pub(super) async fn follow(node: &Node, taken: &Taken, ended: &Ended) -> Vec<String> {
    let origin = node.origin();
    let task = &taken.task;
    let queue = taken.delivery.queue();
    let before = Predecessor { task, queue, origin: &origin, now: SystemTime::now() };
    let new_id = || Uuid::new_v4().to_string();
    let followers = match ended {
        Ended::Succeeded => before.after_success(&Value::Null, new_id),
        Ended::Failed(_) => {
            // The rest of the chain never runs: whoever waits for it hears why.
            for fellow in before.fellows() {
                node.tells_fellow(&fellow, ended);
            }
            before.after_failure(new_id)
        }
        Ended::Revoked | Ended::Terminated | Ended::Expired => return Vec::new(),
    };
    let followers = followers.unwrap_or_else(|error| {
        tracing::error!("what follows the task cannot be written: {}", chain(&error));
        Vec::new()
    });
    let mut children = Vec::new();
    for mut follower in followers {
        if let Some(form) = follower.job.take() {
            match make_job(node, &task.head.girder, form).await {
                Ok(Some(spec)) => follower.set_job(spec),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!("what follows the task has no job in Girder: {}", chain(&error))
                }
            }
        }
        let Follower { id, exchange, routing_key, message, .. } = follower;
        tracing::info!(child = id, "publishes what follows");
        let message = Box::new(message);
        node.outbox.post(Letter::Task { exchange, routing_key, message });
        children.push(id);
    }
    children
}

/// Has Girder make a job; `None` if the message did not come from a Girder.
async fn make_job(
    node: &Node,
    girder: &GirderHeaders,
    form: JobForm,
) -> Result<Option<Value>, GirderError> {
    let (Some(address), Some(token)) = (node.jobs_address(girder), &girder.token) else {
        return Ok(None);
    };
    let headers = vec![("Girder-Token".to_owned(), Token::new(token.expose()))];
    let options = node.settings.girder_options();
    let made = spawn_blocking(move || {
        JobClient::new(address.as_url(), "POST", headers, &options)?.create(&form.fields)
    });
    match made.await {
        Ok(made) => made.map(Some),
        Err(error) => {
            tracing::error!(%error, "making a job in Girder panicked");
            Ok(None)
        }
    }
}
