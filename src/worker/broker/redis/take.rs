//! Taking messages: one script a try, and a wait between tries.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tracing::{debug, error};
use uuid::Uuid;

use super::super::delivery::Delivery;
use super::super::ending::Ending;
use super::super::error::BrokerError;
use super::super::rotation::Rotation;
use super::super::take::{Source, Taker};
use super::keys::{UNACKED, UNACKED_INDEX, lists};
use super::link::{Link, Orphans};
use super::scripts::TAKE;
use super::settle::{self, Receipt};
use super::wait::Waits;
use crate::worker::celery::Envelope;

/// All the slots of a session.
pub(super) struct Slots {
    link: Arc<Link>,
    queues: watch::Sender<Vec<String>>,
    rotation: Mutex<Rotation>,
    waits: Waits,
    orphans: Orphans,
}

impl Slots {
    pub(super) fn new(link: Arc<Link>, orphans: Orphans) -> Arc<Self> {
        Arc::new(Self {
            waits: Waits::new(Arc::clone(&link)),
            link,
            queues: watch::Sender::default(),
            rotation: Mutex::default(),
            orphans,
        })
    }

    pub(super) fn serve(&self, queues: &[String]) {
        let lists: Vec<_> = lists(queues).into_iter().map(|(list, _)| list).collect();
        self.waits.only(&lists);
        self.queues.send_replace(queues.to_vec());
    }

    /// Takes the first message of these queues, if there is one.
    async fn try_take(&self, queues: &[String]) -> Result<Option<Delivery>, BrokerError> {
        let lists = lists(queues);
        while !lists.is_empty() {
            let tag = Uuid::new_v4().to_string();
            let taken: Result<Option<(usize, Vec<u8>)>, _> = self
                .link
                .run("take a message", &take_command(&lists, self.link.clock.latest(), &tag))
                .await;
            let taken = taken.inspect_err(|_| self.orphans.add(tag.clone()))?;
            let Some((number, element)) = taken else { return Ok(None) };
            let place = number.checked_sub(1).and_then(|at| lists.get(at));
            let Some((list, queue)) = place else {
                return Err(BrokerError::Bug(
                    "a script has taken from a list that it was not given",
                ));
            };
            self.rotation().served(queue);
            let receipt = Receipt { tag, list: list.clone(), element };
            match Envelope::parse(&receipt.element) {
                Ok(Envelope { message, delivery }) => {
                    let delivery =
                        Delivery::new(message, queue.clone(), delivery.redelivered, receipt);
                    return Ok(Some(delivery));
                }
                Err(wrong) => {
                    // No worker of any kind can read it, and there is no task that could be failed.
                    error!("what was in the queue `{queue}` is no message and is dropped: {wrong}");
                    let _ = settle::remove(&self.link, &receipt.tag).await?;
                }
            }
        }
        Ok(None)
    }

    fn rotation(&self) -> std::sync::MutexGuard<'_, Rotation> {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Slots {
    async fn next(&self, taker: &mut Taker) -> Result<Option<Delivery>, BrokerError> {
        let mut queues = self.queues.subscribe();
        loop {
            self.link.ending.check()?;
            let order = self.rotation().order(&queues.borrow_and_update());
            if let Some(delivery) = self.try_take(&order).await? {
                return Ok(Some(delivery));
            }
            let lists = lists(&order).into_iter().map(|(list, _)| list);
            tokio::select! {
                () = self.waits.wait(lists.collect()) => {}
                () = taker.gone() => return Ok(None),
                _ = queues.changed() => {}
                end = self.link.ending.comes() => return Err(end),
            }
        }
    }

    /// It was never seen: it is not marked as redelivered.
    fn unwanted(self: Arc<Self>, delivery: Delivery) {
        tokio::spawn(async move {
            if let Err(error) = settle::put_back_unseen(&self.link, &delivery).await {
                debug!("an unwanted message goes back with the next session: {error}");
                if let Some(receipt) = delivery.receipt::<Receipt>() {
                    self.orphans.add(receipt.tag.clone());
                }
            }
        });
    }

    fn ending(&self) -> &Ending {
        &self.link.ending
    }
}

fn take_command(lists: &[(String, String)], now: f64, tag: &str) -> redis::Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(TAKE).arg(lists.len() + 2);
    for (list, _) in lists {
        command.arg(list);
    }
    command.arg(UNACKED_INDEX).arg(UNACKED).arg(now).arg(tag);
    for (_, queue) in lists {
        command.arg(serde_json::Value::from(queue.as_str()).to_string());
    }
    command
}
