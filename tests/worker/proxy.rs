//! A way to the broker that the test can cut, or make silent.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to a broker.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// What comes is passed on. The number tells one cut from the next.
    Open(u32),
    /// Connections are refused.
    Closed,
    /// Connections stay, and nothing comes through them any more.
    Silent,
}

impl Proxy {
    /// A proxy in front of a port of this machine.
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::Sender::new(State::Open(0)));
        let passing = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut state = passing.subscribe();
                let at_first = *state.borrow_and_update();
                if at_first == State::Closed {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let (mut near, mut far) = (near, far);
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.wait_for(|state| *state != at_first) => {}
                    }
                    // Both ends are kept open as long as it is silent.
                    let _ = state.wait_for(|state| *state != State::Silent).await;
                });
            }
        });
        Self { port: own, state }
    }

    /// Cuts all connections; new ones are taken.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| {
            *state = match *state {
                State::Open(number) => State::Open(number + 1),
                State::Closed | State::Silent => State::Open(0),
            };
        });
    }

    /// Cuts all connections, and takes no more until the next cut.
    pub(crate) fn close(&self) {
        self.state.send_replace(State::Closed);
    }

    /// Keeps all connections, and lets nothing through: half-open ones.
    pub(crate) fn silence(&self) {
        self.state.send_replace(State::Silent);
    }
}

/// The address of a broker with the proxy in it.
pub(crate) async fn before(url: &str) -> (Proxy, String) {
    let at = url.rfind(':').unwrap() + 1;
    let digits = url[at..].find('/').map_or(url.len(), |end| at + end);
    let proxy = Proxy::before(url[at..digits].parse().unwrap()).await;
    let through = format!("{}{}{}", &url[..at], proxy.port, &url[digits..]);
    (proxy, through)
}
