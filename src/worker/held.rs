//! What the broker is told of a message that is ours: that we want it still, or no more.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;

use super::broker::{BrokerError, Delivery, End, Settled, SharedSession};
use super::node::{Node, Stage};
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
    settle(node, delivery, async |session| session.give_back(delivery, end).await).await;
}

/// Settles a message. RabbitMQ has it again as soon as the connection that it came by is gone. Redis keeps it for the
/// visibility timeout: there the next session settles it, if there is one before the worker ends.
pub(super) async fn settle(
    node: &Node,
    delivery: &Delivery,
    settles: impl AsyncFn(SharedSession) -> Result<Settled, BrokerError>,
) {
    let settled = async {
        let mut sessions = node.sessions.subscribe();
        loop {
            let session = sessions.borrow_and_update().clone();
            if let Some(session) = session {
                let Err(error) = settles(session).await else { return };
                tracing::debug!(%error, "a message is not settled");
                if node.is_redis() && !error.ends_session() {
                    sleep(AFTER_A_REFUSAL).await;
                    continue;
                }
            }
            if !node.is_redis() || sessions.changed().await.is_err() {
                return;
            }
        }
    };
    let ends = async {
        let _ = node.stage.subscribe().wait_for(|stage| *stage != Stage::Serves).await;
        sleep(LAST_TRY).await;
    };
    tokio::select! {
        () = settled => {}
        () = ends => {
            let id = delivery.message().id();
            tracing::warn!(id, "without a broker, the message comes again after its visibility timeout");
        }
    }
}

/// After the broker refused something and goes on.
pub(super) const AFTER_A_REFUSAL: Duration = Duration::from_secs(5);

/// How long a worker that ends waits for the broker with what it has in hand.
const LAST_TRY: Duration = Duration::from_secs(20);
