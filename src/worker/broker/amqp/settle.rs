//! What becomes of a message that we have.

use std::sync::{Arc, Weak};

use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Acker, BasicProperties, Channel};
use tokio::sync::OwnedSemaphorePermit;

use super::super::Address;
use super::super::delivery::{Delivery, Settled};
use super::super::error::BrokerError;
use super::declare;
use super::link::Link;
use super::properties::untouched;
use super::publish::publish_as;
use super::slot::{Slots, barrier};

/// What settles a message: the channel it came by, and the properties it came with.
pub(super) struct Receipt {
    /// The connection. As long as this is kept, no other has its address.
    link: Weak<Link>,
    channel: Channel,
    _room: OwnedSemaphorePermit,
    acker: Acker,
    properties: BasicProperties,
}

impl Receipt {
    pub(super) fn new(
        link: &Arc<Link>,
        (channel, room): (Channel, OwnedSemaphorePermit),
        acker: Acker,
        properties: BasicProperties,
    ) -> Self {
        Self { link: Arc::downgrade(link), channel, _room: room, acker, properties }
    }
}

impl Slots {
    pub(super) async fn ack(&self, delivery: &Delivery) -> Result<Settled, BrokerError> {
        let receipt = match self.receipt(delivery)? {
            Ok(receipt) => receipt,
            Err(settled) => return Ok(settled),
        };
        let sent = receipt.acker.ack(BasicAckOptions::default()).await;
        self.settled(receipt, sent).await
    }

    /// Back to the head. RabbitMQ marks it as redelivered, and a quorum queue counts it.
    pub(super) async fn requeue(&self, delivery: &Delivery) -> Result<Settled, BrokerError> {
        let receipt = match self.receipt(delivery)? {
            Ok(receipt) => receipt,
            Err(settled) => return Ok(settled),
        };
        let head = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        let sent = receipt.acker.nack(head).await;
        self.settled(receipt, sent).await
    }

    /// What RabbitMQ puts back it marks, and what is published comes last. Where nothing waits the last is the first.
    pub(super) async fn put_back_unseen(
        &self,
        delivery: &Delivery,
    ) -> Result<Settled, BrokerError> {
        let queue = delivery.queue();
        let is_alone = declare::waiting(&self.link, queue).await.is_ok_and(|waiting| waiting == 0);
        if is_alone {
            match self.pass_on(delivery, queue).await {
                // A full queue takes nothing new.
                Err(error) if !error.ends_session() => {}
                settled => return settled,
            }
        }
        self.requeue(delivery).await
    }

    /// Published and confirmed, then acknowledged. If we die between the two, there are two.
    pub(super) async fn pass_on(
        &self,
        delivery: &Delivery,
        queue: &str,
    ) -> Result<Settled, BrokerError> {
        let receipt = match self.receipt(delivery)? {
            Ok(receipt) => receipt,
            Err(settled) => return Ok(settled),
        };
        let properties = untouched(&receipt.properties);
        let body = &delivery.message().body;
        publish_as(&self.link, Address::queue(queue), body, properties).await?;
        let sent = receipt.acker.ack(BasicAckOptions::default()).await;
        self.settled(receipt, sent).await
    }

    pub(super) fn renew(&self, delivery: &Delivery) -> Result<Settled, BrokerError> {
        Ok(self.receipt(delivery)?.err().unwrap_or(Settled::Done))
    }

    /// The receipt, if the message is still ours.
    fn receipt<'d>(
        &self,
        delivery: &'d Delivery,
    ) -> Result<Result<&'d Receipt, Settled>, BrokerError> {
        let Some(receipt) = delivery.receipt::<Receipt>() else {
            return Err(BrokerError::Bug("a delivery of another broker"));
        };
        if !std::ptr::eq(receipt.link.as_ptr(), Arc::as_ptr(&self.link)) {
            return Ok(Err(Settled::Stale));
        }
        self.link.ending.check()?;
        Ok(if receipt.acker.usable() && receipt.channel.status().connected() {
            Ok(receipt)
        } else {
            Err(Settled::Overdue)
        })
    }

    /// Waits until RabbitMQ has read the acknowledgement. The slot is free then.
    async fn settled(
        &self,
        receipt: &Receipt,
        sent: lapin::Result<bool>,
    ) -> Result<Settled, BrokerError> {
        let read = match sent {
            Ok(true) => barrier(&receipt.channel).await,
            Ok(false) => return self.link.ending.check().map(|()| Settled::Overdue),
            Err(error) => Err(error),
        };
        match read {
            Ok(()) => {
                self.free(receipt.channel.clone());
                Ok(Settled::Done)
            }
            // The channel alone has ended: RabbitMQ had taken the message back already.
            Err(error) => match self.link.error("acknowledge a message", error) {
                BrokerError::Refused { .. } => Ok(Settled::Overdue),
                error => Err(error),
            },
        }
    }
}
