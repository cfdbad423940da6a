//! One message for one who waits, from either broker. Who waits may leave at any moment, and nothing is lost.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::delivery::Delivery;
use super::ending::Ending;
use super::error::BrokerError;

/// Where a broker's messages come from.
pub(super) trait Source: Send + Sync + 'static {
    /// The next message; none if nobody waits for it any more.
    fn next(
        &self,
        taker: &mut Taker,
    ) -> impl Future<Output = Result<Option<Delivery>, BrokerError>> + Send;

    /// Gives back what nobody waits for.
    fn unwanted(self: Arc<Self>, delivery: Delivery);

    /// The end of its session.
    fn ending(&self) -> &Ending;
}

/// Who waits for a message, as long as it does.
pub(super) struct Taker(oneshot::Sender<Answer>);

type Answer = Result<Unclaimed, BrokerError>;

impl Taker {
    /// Whether nobody waits any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until nobody waits any more.
    pub(super) async fn gone(&mut self) {
        self.0.closed().await;
    }
}

/// Waits for a message. A task of its own does the work: what goes on with the broker when the one who waits leaves
/// (a script, a cancel) ends in good order.
pub(super) async fn take(source: &Arc<impl Source>) -> Result<Delivery, BrokerError> {
    let (give, taken) = oneshot::channel();
    tokio::spawn(fill(Arc::clone(source), Taker(give)));
    let unclaimed = taken.await.unwrap_or(Err(BrokerError::Closed))?;
    unclaimed.claim().ok_or(BrokerError::Bug("a delivery was claimed twice"))
}

async fn fill(source: Arc<impl Source>, mut taker: Taker) {
    let answer = match source.next(&mut taker).await {
        Ok(Some(delivery)) => Ok(Unclaimed::new(delivery, {
            let source = Arc::clone(&source);
            move |delivery| source.unwanted(delivery)
        })),
        // Nobody waits any more.
        Ok(None) => return,
        Err(error) if error.ends_session() => Err(error),
        // A queue has been deleted, say: the next session declares it again.
        Err(error) => {
            let end = BrokerError::Lost(Arc::new(error));
            source.ending().with(end.clone());
            Err(end)
        }
    };
    // If nobody waits any more, it comes back and is dropped: `Unclaimed` gives it back.
    let _ = taker.0.send(answer);
}

/// A delivery on its way to the one who waits for it. If the wait is dropped, what was taken goes back.
struct Unclaimed {
    delivery: Option<Delivery>,
    give_back: Option<Box<dyn FnOnce(Delivery) + Send>>,
}

impl Unclaimed {
    fn new(delivery: Delivery, give_back: impl FnOnce(Delivery) + Send + 'static) -> Self {
        Self { delivery: Some(delivery), give_back: Some(Box::new(give_back)) }
    }

    /// It has arrived.
    fn claim(mut self) -> Option<Delivery> {
        self.delivery.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let (Some(delivery), Some(give_back)) = (self.delivery.take(), self.give_back.take()) {
            give_back(delivery);
        }
    }
}
