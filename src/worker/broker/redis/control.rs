//! Remote control on Redis: a channel of its publish and subscribe.

use std::sync::Arc;

use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::super::error::BrokerError;
use super::super::names::{CONNECT_TIMEOUT, CONTROL};
use super::keys::fanout;
use super::link::{ANSWER_TIMEOUT, Link, PING_EVERY};
use crate::worker::celery::{Envelope, Message};

/// What a session hears of remote control.
#[derive(Default)]
pub(super) struct Control {
    commands: Mutex<Option<mpsc::Receiver<Message>>>,
}

impl Control {
    /// Subscribes. Redis does not say whether a worker of the same name is there.
    pub(super) async fn listen(&self, link: &Arc<Link>) -> Result<(), BrokerError> {
        let subscribing = async {
            let mut subscription = link.client.get_async_pubsub().await?;
            subscription.subscribe(fanout(link.db, CONTROL, "")).await?;
            Ok(subscription)
        };
        let subscription = match timeout(CONNECT_TIMEOUT, subscribing).await {
            Ok(made) => made.map_err(|error| link.error("hear remote control", error))?,
            Err(_) => {
                let end = BrokerError::Silent(CONNECT_TIMEOUT.as_secs());
                link.end_with(end.clone());
                return Err(end);
            }
        };
        let (sink, stream) = subscription.split();
        let (heard, commands) = mpsc::channel(MOST_COMMANDS);
        tokio::spawn(hear(Arc::clone(link), sink, stream, heard));
        *self.commands.lock().await = Some(commands);
        Ok(())
    }

    pub(super) async fn next_command(&self, link: &Link) -> Result<Message, BrokerError> {
        let mut commands = self.commands.lock().await;
        let Some(commands) = commands.as_mut() else {
            return Err(BrokerError::Bug("remote control is asked for before `listen`"));
        };
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => Ok(command),
                None => Err(link.ended().await),
            },
            end = link.ended() => Err(end),
        }
    }
}

/// Hears until the session is over, and ends it when the subscription does: a worker must not become deaf without a
/// word.
async fn hear(
    link: Arc<Link>,
    mut sink: PubSubSink,
    mut stream: PubSubStream,
    heard: mpsc::Sender<Message>,
) {
    let mut next_ping = Instant::now() + PING_EVERY;
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else {
                    let why = std::io::Error::other("the subscription to remote control has ended");
                    link.end_with(BrokerError::Lost(Arc::new(why)));
                    return;
                };
                match Envelope::parse(message.get_payload_bytes()) {
                    Ok(envelope) => {
                        if heard.try_send(envelope.message).is_err() {
                            debug!("more commands than are answered: one is dropped");
                        }
                    }
                    Err(wrong) => debug!("what came by remote control is no message: {wrong}"),
                }
            }
            () = sleep_until(next_ping) => {
                next_ping = Instant::now() + PING_EVERY;
                let ping = timeout(ANSWER_TIMEOUT, sink.ping::<redis::Value>());
                if !matches!(ping.await, Ok(Ok(_))) {
                    link.end_with(BrokerError::Silent(ANSWER_TIMEOUT.as_secs()));
                    return;
                }
            }
            _ = link.ended() => return,
        }
    }
}

/// How many commands wait while the worker is busy.
const MOST_COMMANDS: usize = 1024;
