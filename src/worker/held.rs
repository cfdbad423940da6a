//! What the broker is told of a message that is ours: that we want it still, or no more.

use std::convert::Infallible;

use super::broker::{Delivery, End, Settled};
use super::node::Node;
use super::outbox::OVERDUE;

/// Keeps a message from other workers while something goes on, for as long as it is not acknowledged.
pub(super) async fn keep<T>(
    node: &Node,
    delivery: &Delivery,
    is_held: impl Fn() -> bool,
    during: impl Future<Output = T>,
) -> T {
    tokio::select! {
        biased;
        done = during => done,
        never = renew_while(node, delivery, is_held) => match never {},
    }
}

async fn renew_while(node: &Node, delivery: &Delivery, is_held: impl Fn() -> bool) -> Infallible {
    let mut renewal = tokio::time::interval(node.renewal());
    renewal.reset();
    loop {
        renewal.tick().await;
        if is_held() && renew(node, delivery).await != Settled::Done {
            tracing::warn!(id = delivery.message().id(), "{OVERDUE}");
        }
    }
}

/// Says to the broker that we still want a message.
pub(super) async fn renew(node: &Node, delivery: &Delivery) -> Settled {
    let Some(session) = node.session() else { return Settled::Done };
    match session.renew(delivery).await {
        Ok(settled) => settled,
        Err(error) => {
            tracing::debug!(%error, "cannot renew a message");
            Settled::Done
        }
    }
}

/// Puts a message back, if the broker has not done so itself.
pub(super) async fn give_back(node: &Node, delivery: &Delivery, end: End) {
    let Some(session) = node.session() else { return };
    if let Err(error) = session.give_back(delivery, end).await {
        tracing::debug!(%error, "a message comes again by itself");
    }
}
