//! Remote control on Redis: a channel of its publish and subscribe.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::debug;
use uuid::Uuid;

use super::super::error::BrokerError;
use super::super::names::{CONNECT_TIMEOUT, CONTROL, REPLIES};
use super::keys::fanout;
use super::link::{ANSWER_TIMEOUT, Link, PING_EVERY};
use crate::worker::celery::{Envelope, Message};

/// What a session hears of remote control.
pub(super) struct Control {
    /// The list in which replies to our commands arrive, named as kombu does.
    pub(super) replies: String,
    commands: Mutex<Option<mpsc::Receiver<Message>>>,
    /// Where what is heard is left for who asks for the next command.
    heard: Mutex<Option<mpsc::Sender<Message>>>,
}

impl Default for Control {
    fn default() -> Self {
        let replies = format!("{}.{REPLIES}", Uuid::new_v4());
        Self { replies, commands: Mutex::default(), heard: Mutex::default() }
    }
}

impl Control {
    /// Passes on the replies that come in the next seconds. A list is no subscription: it has to be
    /// looked at, and removed.
    pub(super) async fn hear_replies(&self, link: &Arc<Link>) {
        let Some(heard) = self.heard.lock().await.clone() else { return };
        let (link, list) = (Arc::clone(link), self.replies.clone());
        tokio::spawn(async move {
            let until = Instant::now() + REPLIES_FOR;
            while Instant::now() < until {
                let replies: Vec<Vec<u8>> = {
                    let mut taking = redis::cmd("LPOP");
                    taking.arg(&list).arg(MOST_REPLIES);
                    let taken = link.run("take replies", &taking).await;
                    // There is no list before there is a reply.
                    taken.map(Option::unwrap_or_default).unwrap_or_default()
                };
                for reply in replies {
                    pass_on(&heard, &reply);
                }
                tokio::select! {
                    () = sleep(LOOK_FOR_REPLIES) => {}
                    _ = link.ended() => return,
                }
            }
            let mut removing = redis::cmd("DEL");
            removing.arg(&list);
            if let Err(error) = link.run::<u64>("remove replies", &removing).await {
                debug!(%error, "late replies are left");
            }
        });
    }

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
        *self.heard.lock().await = Some(heard.clone());
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
                pass_on(&heard, message.get_payload_bytes());
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

/// Leaves what came for who asks for the next command.
fn pass_on(heard: &mpsc::Sender<Message>, came: &[u8]) {
    match Envelope::parse(came) {
        Ok(envelope) => {
            if heard.try_send(envelope.message).is_err() {
                debug!("more commands than are answered: one is dropped");
            }
        }
        Err(wrong) => debug!("what came by remote control is no message: {wrong}"),
    }
}

/// How long replies are waited for: Celery's own workers wait a second.
const REPLIES_FOR: Duration = Duration::from_secs(5);

/// How often they are looked for.
const LOOK_FOR_REPLIES: Duration = Duration::from_millis(250);

/// Replies that are taken at once.
const MOST_REPLIES: usize = 100;

/// How many commands wait while the worker is busy.
const MOST_COMMANDS: usize = 1024;
