//! What becomes of a message that we have.

use super::super::delivery::{Delivery, End, Settled};
use super::super::error::BrokerError;
use super::element::{redelivered, sent_to};
use super::keys::{UNACKED, UNACKED_INDEX, same_step};
use super::link::Link;
use super::scripts::{MOVE, RENEW};

/// What settles a message. It is good for any connection to the same Redis.
pub(super) struct Receipt {
    /// The name under which it is noted as unacknowledged.
    pub(super) tag: String,
    /// The list that it was taken from.
    pub(super) list: String,
    /// The message as it was there.
    pub(super) element: Vec<u8>,
}

pub(super) async fn ack(link: &Link, delivery: &Delivery) -> Result<Settled, BrokerError> {
    remove(link, &receipt(delivery)?.tag).await
}

/// Forgets that a message was taken.
pub(super) async fn remove(link: &Link, tag: &str) -> Result<Settled, BrokerError> {
    let mut both = redis::pipe();
    both.atomic().hdel(UNACKED, tag).zrem(UNACKED_INDEX, tag).ignore();
    let (removed,): (u64,) = link.run_all("acknowledge a message", &both).await?;
    Ok(settled(removed))
}

/// Back into its list. At the head it is marked, as kombu marks what it puts back.
pub(super) async fn give_back(
    link: &Link,
    delivery: &Delivery,
    end: End,
) -> Result<Settled, BrokerError> {
    let receipt = receipt(delivery)?;
    match end {
        End::Head => {
            let marked = redelivered(&receipt.element);
            put(link, &receipt.tag, &receipt.list, &marked, HEAD).await
        }
        End::Unseen => put_back_unseen(link, delivery).await,
        End::Tail => put(link, &receipt.tag, &receipt.list, &receipt.element, TAIL).await,
    }
}

/// Back to the head of its list, as if it had not been taken.
pub(super) async fn put_back_unseen(
    link: &Link,
    delivery: &Delivery,
) -> Result<Settled, BrokerError> {
    let receipt = receipt(delivery)?;
    put(link, &receipt.tag, &receipt.list, &receipt.element, HEAD).await
}

pub(super) async fn pass_on(
    link: &Link,
    delivery: &Delivery,
    queue: &str,
) -> Result<Settled, BrokerError> {
    let receipt = receipt(delivery)?;
    let list = same_step(&receipt.list, queue);
    put(link, &receipt.tag, &list, &sent_to(&receipt.element, queue), TAIL).await
}

pub(super) async fn renew(link: &Link, delivery: &Delivery) -> Result<Settled, BrokerError> {
    let mut command = redis::cmd("EVAL");
    command.arg(RENEW).arg(2).arg(UNACKED_INDEX).arg(UNACKED);
    command.arg(&receipt(delivery)?.tag).arg(link.clock.latest());
    Ok(settled(link.run("renew a message", &command).await?))
}

async fn put(
    link: &Link,
    tag: &str,
    list: &str,
    element: &[u8],
    push: &str,
) -> Result<Settled, BrokerError> {
    let mut command = redis::cmd("EVAL");
    command.arg(MOVE).arg(3).arg(UNACKED_INDEX).arg(UNACKED).arg(list);
    command.arg(tag).arg(element).arg(push);
    Ok(settled(link.run("put a message back", &command).await?))
}

fn receipt(delivery: &Delivery) -> Result<&Receipt, BrokerError> {
    delivery.receipt().ok_or(BrokerError::Bug("a delivery of another broker"))
}

/// Whether it was still noted as ours.
fn settled(count: u64) -> Settled {
    if count == 0 { Settled::Overdue } else { Settled::Done }
}

/// Messages are taken from the right.
const HEAD: &str = "RPUSH";
const TAIL: &str = "LPUSH";
