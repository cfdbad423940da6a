//! Taking messages: a free slot has a channel of its own, and holds one message at most.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::{Stream as _, StreamExt as _};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer, message};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::debug;

use super::super::Address;
use super::super::delivery::Delivery;
use super::super::ending::Ending;
use super::super::error::BrokerError;
use super::super::rotation::Rotation;
use super::super::take::{Source, Taker};
use super::link::Link;
use super::properties::{message, short, untouched};
use super::publish::publish_as;
use super::settle::Receipt;

/// All the slots of a session.
pub(super) struct Slots {
    pub(super) link: Arc<Link>,
    queues: watch::Sender<Vec<String>>,
    rotation: Mutex<Rotation>,
    /// Channels that hold nothing.
    free: Mutex<Vec<Channel>>,
    /// For channels that hold something: RabbitMQ has only so many on a connection.
    room: Arc<Semaphore>,
}

impl Slots {
    pub(super) fn new(link: Arc<Link>) -> Arc<Self> {
        Arc::new(Self {
            room: Arc::new(Semaphore::new(
                link.most_channels().saturating_sub(FOR_THE_REST).max(1),
            )),
            link,
            queues: watch::Sender::default(),
            rotation: Mutex::default(),
            free: Mutex::default(),
        })
    }

    pub(super) fn serve(&self, queues: &[String]) {
        self.queues.send_replace(queues.to_vec());
    }

    /// A channel that holds nothing any more.
    pub(super) fn free(&self, channel: Channel) {
        lock(&self.free).push(channel);
    }

    /// A channel on which each consumer has one message at most.
    async fn channel(&self) -> Result<Channel, BrokerError> {
        loop {
            match lock(&self.free).pop() {
                Some(channel) if channel.status().connected() => return Ok(channel),
                Some(_) => {}
                None => break,
            }
        }
        let channel = self.link.channel().await?;
        barrier(&channel).await.map_err(|error| self.link.error("set a prefetch", error))?;
        Ok(channel)
    }

    /// Asks each queue for a message. With work waiting everywhere, each consumer would get one at once, and all but
    /// one would have to go back.
    async fn get(
        &self,
        channel: &Channel,
        queues: &[String],
    ) -> Result<Option<(String, message::Delivery)>, BrokerError> {
        for queue in queues {
            let got = channel.basic_get(short(queue)?, BasicGetOptions::default()).await;
            let got = got.map_err(|error| self.link.error(format!("get from `{queue}`"), error))?;
            if let Some(got) = got {
                return Ok(Some((queue.clone(), got.delivery)));
            }
        }
        Ok(None)
    }

    async fn consume(
        &self,
        channel: &Channel,
        queues: &[String],
    ) -> Result<Vec<(String, Consumer)>, BrokerError> {
        let mut consumers = Vec::with_capacity(queues.len());
        for queue in queues {
            let options = BasicConsumeOptions::default();
            let consumer =
                channel.basic_consume(short(queue)?, "".into(), options, FieldTable::default());
            let consumer = consumer
                .await
                .map_err(|error| self.link.error(format!("consume the queue `{queue}`"), error))?;
            consumers.push((queue.clone(), consumer));
        }
        Ok(consumers)
    }

    /// Ends the consumers, and gives what they were sent in the meantime. After RabbitMQ's answer nothing more comes.
    async fn cancel(
        &self,
        channel: &Channel,
        consumers: Vec<(String, Consumer)>,
    ) -> Result<Vec<(String, message::Delivery)>, BrokerError> {
        let mut late = Vec::new();
        for (queue, mut consumer) in consumers {
            let cancelled = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
            cancelled.await.map_err(|error| self.link.error("cancel a consumer", error))?;
            while let Some(Ok(delivery)) = consumer.next().await {
                late.push((queue.clone(), delivery));
            }
        }
        Ok(late)
    }

    /// What a second queue gave in the same moment goes back: published to the tail, or, where that is refused,
    /// returned to the head. What comes again is returned as well: a message that is published anew comes for the first time.
    async fn to_tail(&self, queue: &str, delivery: message::Delivery) -> Result<(), BrokerError> {
        debug!("two queues gave a message at once: one goes back");
        let is_published = !delivery.redelivered && {
            let properties = untouched(&delivery.properties);
            match publish_as(&self.link, Address::queue(queue), &delivery.data, properties).await {
                Ok(()) => true,
                Err(error) if error.ends_session() => return Err(error),
                Err(_) => false,
            }
        };
        let settled = match is_published {
            true => delivery.acker.ack(BasicAckOptions::default()).await,
            false => {
                let head = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                delivery.acker.nack(head).await
            }
        };
        settled.map(drop).map_err(|error| self.link.error("give a message back", error))
    }

    fn delivery(
        &self,
        queue: String,
        taken: message::Delivery,
        (channel, room): (Channel, OwnedSemaphorePermit),
    ) -> Delivery {
        lock(&self.rotation).served(&queue);
        let message = message(&taken.properties, taken.data);
        let receipt = Receipt::new(&self.link, (channel, room), taken.acker, taken.properties);
        Delivery::new(message, queue, taken.redelivered, receipt)
    }
}

impl Source for Slots {
    async fn next(&self, taker: &mut Taker) -> Result<Option<Delivery>, BrokerError> {
        let mut queues = self.queues.subscribe();
        loop {
            self.link.ending.check()?;
            let room = tokio::select! {
                room = Arc::clone(&self.room).acquire_owned() => room,
                () = taker.gone() => return Ok(None),
                end = self.link.ending.comes() => return Err(end),
            };
            let room = room.map_err(|_| BrokerError::Bug("the room for channels is gone"))?;
            let order = lock(&self.rotation).order(&queues.borrow_and_update());
            let channel = self.channel().await?;
            if let Some((queue, taken)) = self.get(&channel, &order).await? {
                return Ok(Some(self.delivery(queue, taken, (channel, room))));
            }
            if taker.is_gone() {
                self.free(channel);
                return Ok(None);
            }
            let mut consumers = self.consume(&channel, &order).await?;
            let first = tokio::select! {
                first = first(&mut consumers) => Some(first),
                () = taker.gone() => None,
                _ = queues.changed() => None,
                end = self.link.ending.comes() => return Err(end),
            };
            let first = match first {
                Some((queue, Some(Ok(delivery)))) => Some((queue, delivery)),
                // What follows is not waited for: the channel goes, and RabbitMQ has its messages again.
                Some((queue, Some(Err(error)))) => {
                    return Err(self.link.error(format!("consume the queue `{queue}`"), error));
                }
                // RabbitMQ has cancelled the consumer: the queue has been deleted.
                Some((queue, None)) => return Err(BrokerError::NoQueue(queue)),
                None => None,
            };
            let late = self.cancel(&channel, consumers).await?;
            let mut taken = first.into_iter().chain(late);
            let chosen = taken.next();
            for (queue, more) in taken {
                self.to_tail(&queue, more).await?;
            }
            match chosen {
                Some((queue, chosen)) => {
                    return Ok(Some(self.delivery(queue, chosen, (channel, room))));
                }
                None => self.free(channel),
            }
        }
    }

    /// Not by publishing it anew: the session may end meanwhile, and there would be two.
    fn unwanted(self: Arc<Self>, delivery: Delivery) {
        tokio::spawn(async move {
            if let Err(error) = self.requeue(&delivery).await {
                debug!("an unwanted message goes back with the connection: {error}");
            }
        });
    }

    fn ending(&self) -> &Ending {
        &self.link.ending
    }
}

/// One message for each consumer of the channel. RabbitMQ answers, and before it does it has read all that was sent
/// on this channel: an acknowledgement, say, which has no answer of its own.
pub(super) async fn barrier(channel: &Channel) -> lapin::Result<()> {
    channel.basic_qos(1, BasicQosOptions::default()).await
}

/// Waits for what any of the consumers gives first.
async fn first(
    consumers: &mut [(String, Consumer)],
) -> (String, Option<lapin::Result<message::Delivery>>) {
    poll_fn(|context| {
        for (queue, consumer) in consumers.iter_mut() {
            if let Poll::Ready(item) = Pin::new(consumer).poll_next(context) {
                return Poll::Ready((queue.clone(), item));
            }
        }
        Poll::Pending
    })
    .await
}

/// Channels for all but messages that are taken: to publish, to declare, for remote control; and those that are being
/// closed.
const FOR_THE_REST: usize = 20;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
