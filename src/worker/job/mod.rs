//! One job, from its message to its result.
//!
//! The order is what makes it trustworthy:
//!
//! 1. Girder is told that the job runs. What it answers decides whether a container is started at all
//!    ([`girder`]).
//! 2. The job is written down, if there is a state file, and the message is acknowledged, unless acknowledgements are
//!    late.
//! 3. The run. It is stopped by whichever comes first: a revoke, a cancel in Girder, a time limit, the worker's end
//!    ([`stop`]).
//! 4. The whole of the log, then the job's last status. Who waits for the result finds the job as it ended.
//! 5. Tasks that follow, then the result, then a late acknowledgement ([`Outbox`](super::outbox::Outbox)).

mod ask;
pub(super) mod bury;
mod follow;
mod girder;
mod labels;
mod run;
mod running;
mod stop;

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep_until;

use self::ask::Holder;
use self::girder::{Begin, GirderSide};
pub(super) use self::running::Job;
pub(super) use self::stop::Limits;
use super::broker::{Delivery, End};
use super::celery::{Head, Task, Unreadable};
use super::ended::Ended;
use super::held::{give_back, keep};
use super::node::Node;
use super::outbox::Letter;
use super::slot::hand_over;
use super::taken::Taken;
use crate::girder::JobStatus;
use crate::spec::GirderJob;

/// What becomes of a message when its job is over.
enum After {
    /// This is told, and the message acknowledged.
    Tell(Ended),
    /// Somebody else has told it; the message is only acknowledged.
    Acknowledge,
    /// Whether another worker has the job is to be found out, beside the slots; it has ended so in Girder, if it has.
    Ask(Option<JobStatus>),
    /// The message is for another worker, at this end of its queue: ours ends.
    GiveBack(End),
}

/// Lives through a job.
pub(super) async fn live(node: &Rc<Node>, taken: Rc<Taken>) {
    let task = &taken.task;
    hear_hello(node, &taken).await;
    // Its message came twice. To begin it again would take the first one's container away.
    if node.jobs.borrow().contains_key(&task.head.id) {
        tokio::task::spawn_local(outlast(Rc::clone(node), taken));
        return;
    }
    if node.has_ended(&task.head.id) {
        return acknowledge_again(node, &taken);
    }
    if node.revoked.borrow_mut().contains(&task.head.id, SystemTime::now()) {
        return revoked(node, &taken).await;
    }
    // Of one that comes again the job may run elsewhere, in time: that is found out first.
    if is_expired(task) && !comes_again(&taken) {
        return conclude_unstarted(
            node,
            &taken,
            Ended::Expired,
            "it expired before a worker was free",
        )
        .await;
    }
    let job = Rc::new(Job::new(Rc::clone(&taken), &node.settings.hostname));
    let began = Instant::now();
    let span = tracing::info_span!(
        "job",
        task = task.head.id,
        girder = task.head.girder.job.as_ref().and_then(GirderJob::id),
        container = tracing::field::Empty,
    );
    node.jobs.borrow_mut().insert(task.head.id.clone(), Rc::clone(&job));
    node.health.metrics.job_began();
    node.tells_started(task);
    let is_held = || !job.is_acknowledged.get();
    let after = {
        use tracing::Instrument;
        let work = work(node, &job).instrument(span.clone());
        keep(node, &taken.delivery, is_held, work).await
    };
    let begun = Begun { job, began, span };
    match after {
        After::Ask(ended) => {
            drop(tokio::task::spawn_local(find_out(Rc::clone(node), begun, ended)));
        }
        after => end(node, begun, after).await,
    }
}

/// A job that was taken by a slot.
struct Begun {
    job: Rc<Job>,
    began: Instant,
    span: tracing::Span,
}

/// Step 5, and the end of the message.
async fn end(node: &Rc<Node>, Begun { job, began, span }: Begun, after: After) {
    let (taken, task) = (&job.taken, job.task());
    let is_held = || !job.is_acknowledged.get();
    let outcome = match &after {
        After::Tell(ended) => ended.outcome(),
        After::Acknowledge | After::Ask(_) => "elsewhere",
        After::GiveBack(_) => "given back",
    };
    let took = began.elapsed();
    node.health.metrics.job_ended(&task.head.task, outcome, took);
    span.in_scope(|| tracing::info!(outcome, seconds = took.as_secs_f64(), "the job has ended"));
    if let After::Tell(ended) = &after {
        let follow = follow::follow(node, taken, ended);
        let children = keep(node, &taken.delivery, is_held, follow).await;
        conclude(node, &task.head, ended, (took, children));
        node.ended(&task.head.id);
    }
    node.jobs.borrow_mut().remove(&task.head.id);
    match job.is_untold.get() && !matches!(after, After::GiveBack(_)) {
        true => node.leaves_untold(&task.head.id),
        false => node.forgets(&task.head.id),
    }
    job.over.notify_waiters();
    if let After::GiveBack(end) = after {
        give_back(node, &taken.delivery, end).await;
    } else if !job.is_acknowledged.get() {
        node.outbox.post(Letter::Ack(Rc::clone(&taken.delivery)));
    }
}

/// Waits beside the slots for the end of the same task, which runs here.
async fn outlast(node: Rc<Node>, taken: Rc<Taken>) {
    let _held = node.holds_message();
    let id = &taken.task.head.id;
    let over = async {
        loop {
            let Some(running) = node.jobs.borrow().get(id).cloned() else { return };
            running.over.notified().await;
        }
    };
    keep(&node, &taken.delivery, || true, over).await;
    match node.has_ended(id) {
        true => acknowledge_again(&node, &taken),
        false => hand_over(&node, Rc::clone(&taken), End::Head).await,
    }
}

/// Acknowledges a message whose task has ended here.
fn acknowledge_again(node: &Node, taken: &Taken) {
    tracing::info!(task = taken.task.head.id, "delivered again after its end");
    node.acks.post(Letter::Ack(Rc::clone(&taken.delivery)));
}

/// Finds out beside the slots who has a job whose message comes again.
async fn find_out(node: Rc<Node>, begun: Begun, ended: Option<JobStatus>) {
    use tracing::Instrument;
    let _held = node.holds_message();
    let job = Rc::clone(&begun.job);
    let holder = ask::holder(&node, &job).instrument(begun.span.clone());
    let after = match (keep(&node, &job.taken.delivery, || true, holder).await, ended) {
        (Holder::Ended, _) => After::Acknowledge,
        // It may run elsewhere: whoever gets the message is to ask as well.
        (Holder::NotOurs, _) => After::GiveBack(End::Head),
        (Holder::Nobody, Some(status)) => {
            tracing::warn!(?status, "its worker died before it told the result, which is told now");
            After::Tell(Ended::in_girder(status))
        }
        (Holder::Nobody, None) => {
            job.taken.is_nobodys.set(true);
            node.jobs.borrow_mut().remove(&job.task().head.id);
            node.health.metrics.job_left();
            job.over.notify_waiters();
            let end = end_of_ours(job.task().head.girder.job.is_some());
            return hand_over(&node, Rc::clone(&job.taken), end).await;
        }
    };
    end(&node, begun, after).await;
}

/// Waits for what the others know to be revoked. Of a job in Girder, Girder says it.
async fn hear_hello(node: &Rc<Node>, taken: &Taken) {
    if taken.task.head.girder.job.is_none() {
        let until = node.hello_until.get();
        keep(node, &taken.delivery, || true, sleep_until(until.into())).await;
    }
}

/// Steps 1 to 4.
async fn work(node: &Rc<Node>, job: &Rc<Job>) -> After {
    let girder = match GirderSide::begin(node, job).await {
        Begin::Runs(girder) => girder,
        Begin::NoContainer(after) => return after,
    };
    node.remembers(job, job.run_id().as_str());
    let after = if is_expired(job.task()) {
        After::Tell(Ended::Expired)
    } else if node.settings.acks_late || acknowledge(node, job).await {
        run::run(node, job, girder.as_ref()).await
    } else {
        After::GiveBack(end_of_ours(girder.is_some()))
    };
    match girder {
        Some(girder) => girder.end(node, job, after).await,
        None => after,
    }
}

/// Whether a message comes again, and it is not known yet if another worker has its job.
fn comes_again(taken: &Taken) -> bool {
    taken.delivery.is_redelivered() && !taken.is_nobodys.get()
}

fn is_expired(task: &Task) -> bool {
    task.expires.is_some_and(|expires| expires <= SystemTime::now())
}

/// Where the message of a job goes that was ours alone, and is so no more. Of a job in Girder its log says that it
/// runs here no more. Of any other only its message can.
fn end_of_ours(has_job_in_girder: bool) -> End {
    if has_job_in_girder { End::Head } else { End::Unseen }
}

/// Acknowledges a job's message. Not before the job is written down: when its message is gone nobody else knows of it.
/// False if the worker is stopped while a disk stands still.
async fn acknowledge(node: &Node, job: &Job) -> bool {
    let is_saved = tokio::select! {
        biased;
        () = node.state_is_saved() => true,
        () = node.stops() => false,
    };
    if is_saved {
        job.is_acknowledged.set(true);
        node.acks.post(Letter::Ack(Rc::clone(&job.taken.delivery)));
    }
    is_saved
}

/// Step 5.
fn conclude(node: &Node, head: &Head, ended: &Ended, (took, children): (Duration, Vec<String>)) {
    node.tells_ended(head, ended, took);
    node.tells_result(head, ended, children);
}

/// A task that was revoked before it ran.
pub(super) async fn revoked(node: &Rc<Node>, taken: &Taken) {
    conclude_unstarted(node, taken, Ended::Revoked, "it was cancelled before it ran").await;
}

/// A task whose job never starts.
async fn conclude_unstarted(node: &Rc<Node>, taken: &Taken, ended: Ended, line: &str) {
    let end = girder::end_unstarted(node, &taken.task.head.girder, &ended, line);
    let is_told = keep(node, &taken.delivery, || true, end).await;
    // Of a revoke nobody but us may know: whoever got its message would run the job.
    if !is_told && ended != Ended::Revoked {
        return give_back(node, &taken.delivery, End::Head).await;
    }
    let children = follow::follow(node, taken, &ended).await;
    conclude(node, &taken.task.head, &ended, (Duration::ZERO, children));
    tracing::info!(task = taken.task.head.id, outcome = ended.outcome(), "the job did not run");
    node.health.metrics.job_ended_unstarted(&taken.task.head.task, ended.outcome());
    node.ended(&taken.task.head.id);
    node.outbox.post(Letter::Ack(Rc::clone(&taken.delivery)));
}

/// A message that cannot be read: whoever waits for its result is told, and so is its job.
pub(super) async fn refuse(node: Rc<Node>, delivery: Rc<Delivery>, unreadable: Unreadable) {
    let _held = node.holds_message();
    let words = unreadable.to_string();
    tracing::warn!(task = unreadable.head.as_ref().map(|head| &*head.id), "{words}");
    if let Some(head) = &unreadable.head {
        let ended = Ended::unusable(words.clone());
        let line = format!("error: {words}");
        let end = girder::end_unstarted(&node, &head.girder, &ended, &line);
        if !keep(&node, &delivery, || true, end).await {
            return give_back(&node, &delivery, End::Head).await;
        }
        conclude(&node, head, &ended, (Duration::ZERO, Vec::new()));
        node.health.metrics.job_ended_unstarted(&head.task, ended.outcome());
    }
    node.outbox.post(Letter::Ack(delivery));
}
