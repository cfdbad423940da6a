//! Remote control on Redis: a channel of its publish and subscribe.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep, timeout};
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
                    // Before 6.2 LPOP takes one at a time.
                    let mut taking = redis::pipe();
                    taking.atomic().lrange(&list, 0, MOST_REPLIES - 1);
                    taking.ltrim(&list, MOST_REPLIES, -1).ignore();
                    let taken = link.run_all::<(Vec<_>,)>("take replies", &taking).await;
                    taken.map(|(replies,)| replies).unwrap_or_default()
                };
                for reply in replies.iter().filter_map(|reply| read(reply)) {
                    if heard.send(reply).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = sleep(LOOK_FOR_REPLIES) => {}
                    _ = link.ending.comes() => return,
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
                link.ending.with(end.clone());
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
                None => Err(link.ending.comes().await),
            },
            end = link.ending.comes() => Err(end),
        }
    }
}

/// Hears until the session is over, and ends it when the subscription does: a worker must not become deaf without a
/// word.
async fn hear(
    link: Arc<Link>,
    mut sink: PubSubSink,
    stream: PubSubStream,
    heard: mpsc::Sender<Message>,
) {
    let hears = async {
        pass_on(stream.map(|message| message.get_payload_bytes().to_vec()), heard).await;
        let why = std::io::Error::other("the subscription to remote control has ended");
        BrokerError::Lost(Arc::new(why))
    };
    // Beside it: who does not answer us may have something to say all the same.
    let asks = async {
        loop {
            sleep(PING_EVERY).await;
            let ping = timeout(ANSWER_TIMEOUT, sink.ping::<redis::Value>());
            if !matches!(ping.await, Ok(Ok(_))) {
                return BrokerError::Silent(ANSWER_TIMEOUT.as_secs());
            }
        }
    };
    tokio::select! {
        end = hears => link.ending.with(end),
        end = asks => link.ending.with(end),
        _ = link.ending.comes() => {}
    }
}

/// Passes commands on until there are no more, or nobody wants them. A revoke that is dropped is a job that runs on: what
/// comes too soon waits its turn.
async fn pass_on(came: impl Stream<Item = Vec<u8>>, heard: mpsc::Sender<Message>) {
    let mut came = std::pin::pin!(came);
    while let Some(payload) = came.next().await {
        if let Some(command) = read(&payload)
            && heard.send(command).await.is_err()
        {
            break;
        }
    }
}

/// The message of what came.
fn read(came: &[u8]) -> Option<Message> {
    let envelope = Envelope::parse(came);
    envelope
        .inspect_err(|wrong| debug!("what came by remote control is no message: {wrong}"))
        .ok()
        .map(|envelope| envelope.message)
}

/// How long replies are waited for: Celery's own workers wait a second.
const REPLIES_FOR: Duration = Duration::from_secs(5);

/// How often they are looked for.
const LOOK_FOR_REPLIES: Duration = Duration::from_millis(250);

/// Replies that are taken at once.
const MOST_REPLIES: isize = 100;

/// How many commands have been read while the worker is busy. Those behind them wait in the connection's own memory.
const MOST_COMMANDS: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::unconstrained;

    use super::*;
    use crate::worker::celery::Delivery;

    #[tokio::test]
    async fn so_many_commands_are_read_ahead_and_those_behind_them_wait_their_turn() {
        let command = |nth: usize| {
            let message = Message { body: nth.to_string().into_bytes(), ..Message::default() };
            Envelope { message, delivery: Delivery::default() }.to_json()
        };
        let all = MOST_COMMANDS + 100;
        let taken = AtomicUsize::new(0);
        let came = futures_util::stream::iter((0..all).map(command));
        let came = came.inspect(|_| {
            taken.fetch_add(1, Ordering::Relaxed);
        });
        let (heard, mut commands) = mpsc::channel(MOST_COMMANDS);
        let mut passing = std::pin::pin!(unconstrained(pass_on(came, heard)));
        tokio::select! {
            biased;
            () = &mut passing => panic!("nobody has taken them"),
            () = std::future::ready(()) => {}
        }
        // One is on its way.
        assert_eq!(taken.load(Ordering::Relaxed), MOST_COMMANDS + 1);
        let taking = async {
            for nth in 0..all {
                let command = commands.recv().await.unwrap();
                assert_eq!(command.body, nth.to_string().into_bytes());
            }
            assert!(commands.recv().await.is_none());
        };
        tokio::join!(passing, taking);
    }
}
