//! A message that comes again: its worker may have died, or have lost only its connection to the broker.
//!
//! Nobody but that worker can tell, so all are asked. Who answers that the job runs there keeps it, and the message
//! is held until the job has ended. If no worker answers for as long as one may need to come back to the broker, it
//! has died. That need not be waited for when its container is found on this engine and its process is gone.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Job;
use super::labels::TASK_LABEL;
use crate::run::chain;
use crate::worker::celery::{Known, Question};
use crate::worker::node::{Node, Stage};

/// Who has the job of a message that comes again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Its worker has died.
    Nobody,
    /// It has ended on its worker.
    Ended,
    /// It is for somebody else to find out: this worker ends, or its message is the broker's again.
    NotOurs,
}

/// Finds out who has a job. While others are asked, the message is nobody's job for whoever asks us.
pub(super) async fn holder(node: &Rc<Node>, job: &Job) -> Holder {
    if has_died(node, job).await {
        return Holder::Nobody;
    }
    job.asks.set(true);
    tracing::info!("delivered again while its job runs: asks the other workers");
    let holder = tokio::select! {
        holder = ask_until_sure(node, &job.task().head.id) => holder,
        () = ours_no_longer(node) => Holder::NotOurs,
    };
    job.asks.set(false);
    tracing::info!(?holder, "knows who has the job");
    holder
}

async fn ask_until_sure(node: &Node, id: &str) -> Holder {
    let mut silent_since = Instant::now();
    loop {
        match ask(node, id).await {
            Some(Known::Ended) => return Holder::Ended,
            Some(Known::Runs) => {
                tracing::info!(
                    "another worker runs the job: its message is held until the job ends"
                );
                silent_since = Instant::now();
            }
            None if silent_since.elapsed() >= COMES_BACK => return Holder::Nobody,
            None => {}
        }
        sleep(BETWEEN_QUESTIONS).await;
    }
}

/// Asks all workers once. Comes back with the first answer.
async fn ask(node: &Node, id: &str) -> Option<Known> {
    let session = node.session()?;
    let question = Question::new(Uuid::new_v4().to_string(), id.to_owned());
    let (sender, mut replies) = mpsc::unbounded_channel();
    let ticket = question.ticket().to_owned();
    node.questions.borrow_mut().insert(ticket.clone(), sender);
    let answer = async {
        let command = question.message(node.ticks(), &session.replies());
        if let Err(error) = session.command(&command).await {
            tracing::debug!(%error, "cannot ask the other workers");
            return None;
        }
        loop {
            let reply = replies.recv().await?;
            if let Some(known) = question.answer(&reply, &node.settings.hostname) {
                return Some(known);
            }
        }
    };
    let answer = timeout(ANSWERS_COME, answer).await.ok().flatten();
    node.questions.borrow_mut().remove(&ticket);
    answer
}

/// Waits until the message is for somebody else: with another connection RabbitMQ has given it away.
async fn ours_no_longer(node: &Node) {
    let mut stage = node.stage.subscribe();
    tokio::select! {
        _ = stage.wait_for(|stage| *stage != Stage::Serves) => {}
        () = async {
            node.session_changes().await;
            while node.session().is_none() {
                node.session_changes().await;
            }
        } => {}
    }
}

/// Whether its worker ran here, and its process is gone.
async fn has_died(node: &Node, job: &Job) -> bool {
    if node.buried.borrow().contains(job.run_id().as_str()) {
        return true;
    }
    let left = node.runner.has_left_behind(TASK_LABEL, &job.task().head.id).await;
    left.unwrap_or_else(|error| {
        tracing::debug!("{}", chain(&error));
        false
    })
}

/// How long answers are waited for: every worker answers within a tenth of it.
const ANSWERS_COME: Duration = Duration::from_secs(1);

const BETWEEN_QUESTIONS: Duration = Duration::from_secs(2);

/// How long a worker that lost its connection may take to answer: it waits up to thirty seconds before it tries to
/// connect again.
const COMES_BACK: Duration = Duration::from_secs(35);
