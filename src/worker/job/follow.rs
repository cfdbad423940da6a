//! What follows a task: published before its result, each with a job in Girder of its own.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::girder::{GirderError, JobClient, Token};
use crate::reporter::options_for;
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
    let (sent, carried) = watch::channel(());
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
        let (message, _carried) = (Box::new(message), sent.clone());
        node.acks.post(Letter::Task { exchange, routing_key, message, _carried });
        children.push(id);
    }
    // The result comes after them.
    if !children.is_empty() {
        node.outbox.post(Letter::After(carried));
    }
    children
}

/// Has Girder make a job; `None` if the message did not come from a Girder. One that is away is waited for as long as
/// at a job's end, unless the worker is stopped. If only its answer is lost, it has made a job that nobody begins.
async fn make_job(
    node: &Node,
    girder: &GirderHeaders,
    form: JobForm,
) -> Result<Option<Value>, GirderError> {
    let (Some(address), Some(token)) = (node.jobs_address(girder), &girder.token) else {
        return Ok(None);
    };
    let mut headers = vec![(TOKEN.to_owned(), Token::new(token.expose()))];
    let mut options = node.settings.girder_options();
    // It is the Girder that the task's own job is told to, in the same way.
    if let Some(job) = node.girder_job(girder) {
        options = options_for(&job, &options);
        let others = job.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(TOKEN));
        headers.extend(others.map(|(name, value)| (name.clone(), Token::new(value.expose()))));
    }
    let client = JobClient::new(address.as_url(), "POST", headers, &options)?;
    let (began, patience) = (Instant::now(), node.settings.girder_patience);
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let (client, fields) = (client.clone(), form.fields.clone());
        let error = match spawn_blocking(move || client.create(&fields)).await {
            Ok(Ok(spec)) => return Ok(Some(spec)),
            Ok(Err(error)) => error,
            Err(error) => {
                tracing::error!(%error, "making a job in Girder panicked");
                return Ok(None);
            }
        };
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() || !(error.is_transient() || error.is_of_another()) {
            return Err(error);
        }
        node.health.metrics.girder_retries().fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            () = sleep(backoff.failed(error.retry_after()).min(left)) => {}
            () = node.stops() => return Err(error),
        }
    }
}

/// The header that says who asks.
const TOKEN: &str = "Girder-Token";

/// Between the first two attempts to have Girder make a job.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

const LONGEST_PAUSE: Duration = Duration::from_secs(15);
