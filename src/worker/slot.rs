//! A slot: takes a message, sees to it until its job is over, and takes the next.
//!
//! A worker has as many slots as jobs may run at once. No message is held without one, but for three kinds
//! that hold no job up: those whose time has not come ([`wait`]), those that are somebody else's
//! ([`leave_to_others`]), and those whose job may run elsewhere ([`ask`](super::job)). Of these there is a bound as well: beyond it those that wait for their time take turns.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::{sleep, sleep_until};

use super::broker::{Delivery, End, Settled, SharedSession};
use super::held::{AFTER_A_REFUSAL, give_back, renew, settle};
use super::job;
use super::node::{Node, Stage};
use super::others::PASS;
use super::taken::Taken;

/// What a message is.
enum Sorted {
    /// It has a job, or an error, for this slot.
    Ours(Rc<Taken>),
    /// The slot is free again.
    SeenTo,
}

/// Serves until the node drains, or has one slot too many.
pub(super) async fn serve(node: Rc<Node>) {
    while let Some(taken) = next(&node).await {
        job::live(&node, taken).await;
    }
}

/// The next job of this slot; `None` if it is to end.
async fn next(node: &Rc<Node>) -> Option<Rc<Taken>> {
    let mut sessions = node.sessions.subscribe();
    let mut stage = node.stage.subscribe();
    let mut wanted = node.wanted_slots.subscribe();
    loop {
        if *stage.borrow_and_update() != Stage::Serves || node.has_a_slot_too_many() {
            node.slot_ended();
            return None;
        }
        wanted.borrow_and_update();
        let session = sessions.borrow_and_update().clone();
        let delivery = {
            let _waits = node.due.waits();
            let takes = async {
                node.outbox.has_room().await;
                node.has_room_beside().await;
                take(session).await
            };
            tokio::select! {
                biased;
                _ = stage.changed() => continue,
                _ = wanted.changed() => continue,
                _ = sessions.changed() => continue,
                taken = node.due.next() => return Some(taken),
                taken = takes => taken,
            }
        };
        let Some(delivery) = delivery else {
            // The session is over: whoever owns it will have another.
            let _ = sessions.changed().await;
            continue;
        };
        match sort(node, delivery) {
            Sorted::Ours(taken) => return Some(taken),
            Sorted::SeenTo => {}
        }
    }
}

/// One message; `None` if the session is over.
async fn take(session: Option<SharedSession>) -> Option<Delivery> {
    let Some(session) = session else { return std::future::pending().await };
    loop {
        match session.take().await {
            Ok(delivery) => return Some(delivery),
            Err(error) if error.ends_session() => return None,
            Err(error) => {
                // A queue that somebody deleted is declared by the next session.
                tracing::warn!(%error, "cannot take a message");
                sleep(AFTER_A_REFUSAL).await;
            }
        }
    }
}

fn sort(node: &Rc<Node>, delivery: Delivery) -> Sorted {
    let delivery = Rc::new(delivery);
    let message = delivery.message();
    let named = message.task_name().map(str::to_owned);
    let id = message.id().unwrap_or_default().to_owned();
    // A task of protocol 1 has its name in its body.
    let (name, id) = match named {
        Some(name) => (name, id),
        None => message.names_of_protocol_1().unwrap_or_default(),
    };
    if !node.is_ours(&name) && !name.is_empty() {
        leave_to_others(node, delivery, (&name, &id));
        return Sorted::SeenTo;
    }
    let task = match message.task() {
        Ok(task) => task,
        Err(unreadable) => {
            tokio::task::spawn_local(job::refuse(Rc::clone(node), delivery, unreadable));
            return Sorted::SeenTo;
        }
    };
    if let Some(what) = task.embed.beyond_us() {
        tracing::debug!(id = task.head.id, what, "for a Python worker");
        leave_to_others(node, delivery, (&name, &id));
        return Sorted::SeenTo;
    }
    node.received(&task);
    let taken = Taken { delivery, task, is_nobodys: Cell::new(false) };
    let now = SystemTime::now();
    match taken.task.eta {
        // What has expired is told so now.
        Some(eta) if eta > now && taken.task.expires.is_none_or(|expires| expires > now) => {
            tokio::task::spawn_local(wait(Rc::clone(node), taken, eta));
            Sorted::SeenTo
        }
        _ => Sorted::Ours(Rc::new(taken)),
    }
}

/// Keeps a message until its time has come, and then gives it to a free slot.
async fn wait(node: Rc<Node>, taken: Taken, eta: SystemTime) {
    let _held = node.holds_message();
    let id = taken.task.head.id.clone();
    let taken = Rc::new(taken);
    node.waiting.borrow_mut().insert(id.clone(), Rc::clone(&taken));
    let kept = keep_until(&node, &taken, eta).await;
    node.waiting.borrow_mut().remove(&id);
    match kept {
        Kept::Due => hand_over(&node, taken, End::Unseen).await,
        Kept::Revoked => job::revoked(&node, &taken).await,
        Kept::GoesBack(end) => give_back(&node, &taken.delivery, end).await,
        Kept::Lost => {}
    }
}

/// Gives a message that was held to a slot that is free. If none is, it goes back: another worker may have one.
pub(super) async fn hand_over(node: &Node, taken: Rc<Taken>, end: End) {
    if node.due.has_room() {
        return node.due.push(taken);
    }
    give_back(node, &taken.delivery, end).await;
}

/// Why a message is not kept any longer.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    Due,
    Revoked,
    /// It is somebody else's turn.
    GoesBack(End),
    /// The broker has it again.
    Lost,
}

async fn keep_until(node: &Node, taken: &Taken, eta: SystemTime) -> Kept {
    let mut stage = node.stage.subscribe();
    let began = Instant::now();
    let mut renewal = tokio::time::interval(node.renewal());
    renewal.reset();
    loop {
        let left = eta.duration_since(SystemTime::now()).unwrap_or_default();
        let over = is_over(left, (!node.is_redis()).then(|| began.elapsed()));
        let is_ours = over.is_none() && {
            tokio::select! {
                // The clock may be set meanwhile, and a machine may sleep: it is looked at again.
                () = sleep(left.min(LOOK_AT_CLOCK)) => true,
                () = node.is_revoked(&taken.task.head.id) => return Kept::Revoked,
                _ = stage.wait_for(|stage| *stage != Stage::Serves) => {
                    return Kept::GoesBack(End::Unseen);
                }
                _ = renewal.tick() => false,
                () = node.session_changes() => false,
                () = makes_room(node, began) => return Kept::GoesBack(End::Tail),
            }
        };
        if !is_ours && renew(node, &taken.delivery).await != Settled::Done {
            return Kept::Lost;
        }
        if let Some(over) = over {
            return over;
        }
    }
}

/// Waits until a message has to make room for others. Each is kept for as long as a pass takes, so that a queue of
/// nothing else is not gone through without a pause.
async fn makes_room(node: &Node, began: Instant) {
    loop {
        node.crowded.notified().await;
        sleep_until((began + PASS).into()).await;
        if node.is_crowded() {
            return;
        }
    }
}

/// Whether a message is kept no longer, given what is left to its time, and for how long RabbitMQ has lent it.
fn is_over(left: Duration, lent: Option<Duration>) -> Option<Kept> {
    if left.is_zero() {
        return Some(Kept::Due);
    }
    let goes_back = lent.is_some_and(|lent| lent >= LONGEST_ON_AMQP);
    goes_back.then_some(Kept::GoesBack(End::Tail))
}

/// Lets somebody else have a message: in the queue for it, or at the tail of its own.
fn leave_to_others(node: &Rc<Node>, delivery: Rc<Delivery>, (task, id): (&str, &str)) {
    let now = Instant::now();
    if node.others.borrow_mut().is_new(task) {
        match &node.settings.others_to {
            Some(queue) => tracing::info!(task, queue, "passed on: not a task of this worker"),
            None => tracing::warn!(
                task,
                "left in the queue: not a task of this worker; --others-to names a queue for such"
            ),
        }
    }
    node.health.metrics.passed_on(node.others.borrow().counted_as(task));
    let at = match node.settings.others_to {
        Some(_) => now,
        None => node.others.borrow_mut().goes_back_at(id, now),
    };
    let node = Rc::clone(node);
    let held = node.holds_message();
    tokio::task::spawn_local(async move {
        let _held = held;
        let mut stage = node.stage.subscribe();
        tokio::select! {
            () = sleep_until(at.into()) => {}
            _ = stage.wait_for(|stage| *stage != Stage::Serves) => {}
        }
        let settles = async |session: SharedSession| match &node.settings.others_to {
            Some(queue) => match session.pass_on(&delivery, queue).await {
                Err(error) if !error.ends_session() => {
                    tracing::warn!(%error, "cannot pass a message on; it stays in its queue");
                    sleep(AFTER_A_REFUSAL).await;
                    session.give_back(&delivery, End::Tail).await
                }
                settled => settled,
            },
            None => session.give_back(&delivery, End::Tail).await,
        };
        settle(&node, &delivery, settles).await;
    });
}

/// How long a clock that was set is not noticed.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(30);

/// A third of RabbitMQ's own limit: it closes the channel of who holds a message for half an hour.
const LONGEST_ON_AMQP: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_waits_goes_back_before_rabbitmq_closes_its_channel() {
        const SECOND: Duration = Duration::from_secs(1);
        let day = Duration::from_secs(86_400);
        assert_eq!(is_over(day, Some(LONGEST_ON_AMQP - SECOND)), None);
        assert_eq!(is_over(day, Some(LONGEST_ON_AMQP)), Some(Kept::GoesBack(End::Tail)));
        assert_eq!(is_over(Duration::ZERO, Some(LONGEST_ON_AMQP)), Some(Kept::Due));
        // Redis has no such limit: the message is renewed.
        assert_eq!(is_over(day, None), None);
        // RabbitMQ's own is half an hour; a look at the clock comes every 30 s.
        assert!(LONGEST_ON_AMQP + LOOK_AT_CLOCK < SECOND * 1800);
    }
}
