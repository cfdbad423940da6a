//! The connection to the broker over a worker's life: set up anew each time, by its one owner.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

use super::broker::{BrokerError, Session, SharedSession, State, Supervisor};
use super::celery::{HEARTBEAT, Hello, Request};
use super::commands::obey;
use super::node::Node;

/// Keeps the worker connected. Comes back only with what waiting does not mend.
pub(super) async fn keep(node: Rc<Node>, mut supervisor: Supervisor) -> BrokerError {
    let telling = tokio::task::spawn_local(tell_states(supervisor.state(), Rc::clone(&node)));
    let error = loop {
        let session = match supervisor.next_session().await {
            Ok(session) => session,
            Err(error) => break error,
        };
        let ended = match set_up(&node, &session).await {
            Ok(()) => {
                supervisor.established();
                node.hello_until.set(Instant::now() + HELLO_TAKES);
                node.sessions.send_replace(Some(SharedSession::clone(&session)));
                let ended = serve(&node, &session).await;
                if matches!(ended, BrokerError::Closed) {
                    // The worker has ended, and wants no other.
                    return std::future::pending().await;
                }
                node.sessions.send_replace(None);
                ended
            }
            Err(error) => {
                session.close().await;
                error
            }
        };
        if let Err(error) = supervisor.lost(ended) {
            break error;
        }
    };
    telling.abort();
    error
}

async fn set_up(node: &Node, session: &SharedSession) -> Result<(), BrokerError> {
    let queues = node.queues.borrow().clone();
    for queue in &queues {
        session.declare(queue).await?;
    }
    session.listen().await?;
    // Another may have been added meanwhile.
    session.serve(&node.queues.borrow());
    Ok(())
}

/// Hears commands until the session is over.
async fn serve(node: &Rc<Node>, session: &SharedSession) -> BrokerError {
    node.tells_online();
    let hello = say_hello(node, session).await;
    let hear = async {
        loop {
            let message = match session.next_command().await {
                Ok(message) => message,
                Err(error) if error.ends_session() => return error,
                Err(error) => {
                    tracing::warn!(%error, "cannot hear commands");
                    return session.ended().await;
                }
            };
            if node.hears_answer(&message) {
                continue;
            }
            match (hello.reply(&message), Request::read(&message)) {
                (Some((revoked, clock)), _) => {
                    node.hears(clock);
                    node.revoke(&revoked);
                }
                (None, Some(request)) => obey(node, session, request),
                (None, None) => tracing::debug!("a command that cannot be read"),
            }
        }
    };
    let beat = async {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            node.tells_alive();
        }
    };
    tokio::select! {
        error = hear => error,
        error = session.ended() => error,
        () = beat => session.ended().await,
    }
}

/// Tells the others which tasks are revoked, and asks them for what they know. Their replies come as
/// commands do.
async fn say_hello(node: &Node, session: &SharedSession) -> Hello {
    let ids = node.revoked.borrow_mut().ids(SystemTime::now());
    let hello = Hello::new(Uuid::new_v4().to_string());
    let name = &node.settings.hostname;
    let message = hello.message(name, &ids, node.ticks(), &session.replies());
    if let Err(error) = session.command(&message).await {
        tracing::debug!(%error, "cannot say hello");
    }
    hello
}

/// Says how it stands with the broker, in the log and where health is asked for.
async fn tell_states(mut states: tokio::sync::watch::Receiver<State>, node: Rc<Node>) {
    loop {
        let state = states.borrow_and_update().clone();
        let is_up = matches!(state, State::Up { .. });
        node.health.broker_is_up.set(is_up);
        node.health.metrics.broker(is_up);
        match state {
            State::Connecting { place } => tracing::debug!(place, "connects to the broker"),
            State::Up { place } => {
                tracing::info!(place, "connected to the broker");
                super::systemd::ready();
                super::systemd::status("takes jobs");
            }
            State::Down { why, pause } => {
                tracing::warn!("no broker: {why}; tries again in {:.1} s", pause.as_secs_f64());
                super::systemd::status("waits for the broker");
            }
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

/// As long as Celery's workers wait for the answers.
const HELLO_TAKES: Duration = Duration::from_secs(1);

/// What a worker would do, without doing it.
///
/// # Errors
/// There is no connection.
pub(super) async fn check(supervisor: &mut Supervisor) -> Result<(), BrokerError> {
    let session = supervisor.session_at_once().await?;
    Session::close(&*session).await;
    Ok(())
}
