//! A message that comes again: its worker may have died, or have lost only its connection to the broker.
//!
//! Nobody but that worker can tell, so all are asked. Who answers that the job runs there keeps it, and the message
//! is held until the job has ended. If no worker answers for as long as one may need to come back to the broker, it
//! has died; only that time counts in which our own answer came through. When its container is found on this engine
//! and its process is gone, one question is enough.
//!
//! A job that has ended in Girder is asked about in the same way: its worker may have died before it told the result.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Job;
use super::labels::TASK_LABEL;
use crate::run::chain;
use crate::worker::broker::Settled;
use crate::worker::celery::{Known, Message, Question};
use crate::worker::held::renew;
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
    let has_died = has_died(node, job).await;
    job.asks.set(true);
    tracing::info!("delivered again: asks the other workers about its job");
    let holder = tokio::select! {
        holder = ask_until_sure(node, &job.task().head.id, has_died) => holder,
        () = ours_no_longer(node) => Holder::NotOurs,
    };
    job.asks.set(false);
    // The connection may have been another one before we began to ask.
    let holder = match holder {
        Holder::Nobody if renew(node, &job.taken.delivery).await != Settled::Done => {
            Holder::NotOurs
        }
        holder => holder,
    };
    tracing::info!(?holder, "knows who has the job");
    holder
}

async fn ask_until_sure(node: &Node, id: &str, has_died: bool) -> Holder {
    let began = Instant::now();
    let mut silence = Duration::ZERO;
    // Of one who has died here a later owner may be there, and answers at once.
    let enough = if has_died { Duration::ZERO } else { COMES_BACK };
    loop {
        let asked = Instant::now();
        let heard = ask(node, id).await;
        match heard {
            Heard::Other(Known::Ended) => return Holder::Ended,
            Heard::Other(_) => {
                tracing::info!(
                    "another worker runs the job: its message is held until the job ends"
                );
                silence = Duration::ZERO;
            }
            Heard::OnlyUs if silence + asked.elapsed() >= enough => return Holder::Nobody,
            Heard::Nobody if has_died => return Holder::Nobody,
            // Where not even our own answer comes through, no other's would.
            Heard::Nobody if began.elapsed() >= GIVES_UP => {
                tracing::warn!("no answer of any worker comes through: the job runs again");
                return Holder::Nobody;
            }
            Heard::OnlyUs | Heard::Nobody => {}
        }
        sleep(BETWEEN_QUESTIONS).await;
        if matches!(heard, Heard::OnlyUs) {
            silence += asked.elapsed();
        }
    }
}

/// What came of one question.
#[derive(Debug, Clone, Copy)]
enum Heard {
    Other(Known),
    /// Questions and answers come through, and nobody else has the job.
    OnlyUs,
    Nobody,
}

/// Asks all workers once, ourselves among them. Comes back with the first answer that says something, or some time
/// after our own.
async fn ask(node: &Node, id: &str) -> Heard {
    let Some(session) = node.session() else { return Heard::Nobody };
    let question = Question::new(Uuid::new_v4().to_string(), id.to_owned());
    let mut replies = Replies::to(node, question.ticket());
    let command = question.message(node.ticks(), &session.replies());
    let asked = Instant::now();
    let heard = Cell::new(Heard::Nobody);
    let hears = async {
        if let Err(error) = session.command(&command).await {
            tracing::debug!(%error, "cannot ask the other workers");
            return;
        }
        while let Some(reply) = replies.next().await {
            match question.answer(&reply) {
                Some(known) => return heard.set(Heard::Other(known)),
                None if question.is_of(&reply, &node.settings.hostname) => {
                    heard.set(Heard::OnlyUs);
                    if asked.elapsed() >= ANSWERS_COME {
                        return;
                    }
                }
                None => {}
            }
        }
    };
    let mut hears = std::pin::pin!(hears);
    let is_over = timeout(ANSWERS_COME, &mut hears).await.is_ok();
    if !is_over && matches!(heard.get(), Heard::Nobody) {
        // Everybody is slow today.
        let _ = timeout(OURS_COMES, hears).await;
    }
    heard.get()
}

/// The replies to one question. Dropped, nobody waits for them any more.
struct Replies<'a> {
    node: &'a Node,
    ticket: String,
    come: mpsc::UnboundedReceiver<Message>,
}

impl<'a> Replies<'a> {
    fn to(node: &'a Node, ticket: &str) -> Self {
        let (sender, come) = mpsc::unbounded_channel();
        node.questions.borrow_mut().insert(ticket.to_owned(), sender);
        Self { node, ticket: ticket.to_owned(), come }
    }

    async fn next(&mut self) -> Option<Message> {
        self.come.recv().await
    }
}

impl Drop for Replies<'_> {
    fn drop(&mut self) {
        self.node.questions.borrow_mut().remove(&self.ticket);
    }
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

/// How much longer our own is waited for.
const OURS_COMES: Duration = Duration::from_secs(9);

const BETWEEN_QUESTIONS: Duration = Duration::from_secs(2);

/// After so long without any answer, not even our own, the job runs again: an old Redis passes none on.
const GIVES_UP: Duration = Duration::from_secs(600);

/// How long a worker that lost its connection may take to answer: it waits up to thirty seconds before it tries to
/// connect again.
const COMES_BACK: Duration = Duration::from_secs(35);
