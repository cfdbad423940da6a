//! A way to a Girder or a broker that the test can close, and on which it can hold requests back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Passes connections on.
pub(crate) struct Way {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// What requests are kept back.
    what: &'static str,
    state: Mutex<(State, Vec<TcpStream>)>,
    held: AtomicUsize,
    /// So many of them are answered so in place of being kept.
    refused: Mutex<(usize, &'static str)>,
    updates: AtomicUsize,
    forgotten: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// Each connection is closed at once.
    Closed,
    /// Connections are taken, and what comes through them is lost.
    Silent,
    /// What comes from there comes through; what is sent there is lost.
    Mute,
    /// Each request is answered with 503.
    Failing,
    /// Each request is passed on, and answered with 503 all the same.
    Forgetting,
}

impl Way {
    /// A way to what has this address.
    pub(crate) fn to(url: &str) -> Self {
        Self::holding(url, "\0no request has this")
    }

    /// One that keeps requests with this in them, and their connections, for itself.
    pub(crate) fn holding(url: &str, what: &'static str) -> Self {
        Self::refusing(url, what, 0, "")
    }

    /// One that answers the first requests with this in them itself, so often.
    pub(crate) fn refusing(
        url: &str,
        what: &'static str,
        times: usize,
        answer: &'static str,
    ) -> Self {
        let far = authority(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Mutex::new((State::Open, Vec::new()));
        let [held, updates, forgotten] = [const { AtomicUsize::new(0) }; 3];
        let refused = Mutex::new((times, answer));
        let shared = Arc::new(Shared { what, state, held, refused, updates, forgotten });
        let passing = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming() {
                passing.take(near.unwrap(), &far);
            }
        });
        Self { port, shared }
    }

    /// Girder's API at its beginning.
    pub(crate) fn api(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }

    /// The address of what it leads to, at its beginning.
    pub(crate) fn address(&self, url: &str) -> String {
        url.replacen(authority(url), &format!("127.0.0.1:{}", self.port), 1)
    }

    /// How many requests were held back.
    pub(crate) fn held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// How many updates of jobs have passed.
    pub(crate) fn updates(&self) -> usize {
        self.shared.updates.load(Ordering::Relaxed)
    }

    /// How many answers were lost.
    pub(crate) fn forgotten(&self) -> usize {
        self.shared.forgotten.load(Ordering::Relaxed)
    }

    /// Answers so many more requests itself.
    pub(crate) fn refuses(&self, times: usize) {
        self.shared.refused.lock().unwrap().0 += times;
    }

    /// How many it will answer itself.
    pub(crate) fn to_refuse(&self) -> usize {
        self.shared.refused.lock().unwrap().0
    }

    /// Cuts all connections, and takes no more.
    pub(crate) fn closes(&self) {
        self.becomes(State::Closed);
    }

    /// Takes connections again.
    pub(crate) fn opens(&self) {
        self.becomes(State::Open);
    }

    /// Is so from now on; the connections that there are end, but those of a way that becomes silent or mute.
    pub(crate) fn becomes(&self, state: State) {
        let mut shared = self.shared.state.lock().unwrap();
        shared.0 = state;
        if !matches!(state, State::Silent | State::Mute) {
            for connection in shared.1.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Shared {
    fn take(self: &Arc<Self>, near: TcpStream, far: &str) {
        let mut state = self.state.lock().unwrap();
        match state.0 {
            State::Closed => {}
            State::Silent | State::Mute => state.1.push(near),
            State::Failing => drop(thread::spawn(move || fail(near))),
            State::Open | State::Forgetting => {
                let Ok(far) = TcpStream::connect(far) else { return };
                let [to_far, from_far] = [&far, &far].map(|stream| stream.try_clone().unwrap());
                let [to_near, from_near] = [&near, &near].map(|stream| stream.try_clone().unwrap());
                state.1.extend([near, far]);
                let there = Arc::clone(self);
                let mut answered = to_near.try_clone().unwrap();
                let is_kept = move |bytes: &[u8]| there.keeps(bytes, &mut answered);
                thread::spawn(move || pass(from_near, to_far, is_kept));
                let back = Arc::clone(self);
                let mut forgotten = to_near.try_clone().unwrap();
                let is_kept = move |_: &[u8]| back.is_silent() || back.forgets(&mut forgotten);
                thread::spawn(move || pass(from_far, to_near, is_kept));
            }
        }
    }

    fn is_silent(&self) -> bool {
        self.state.lock().unwrap().0 == State::Silent
    }

    /// Whether an answer does not come through; then another has.
    fn forgets(&self, near: &mut TcpStream) -> bool {
        let forgets = self.state.lock().unwrap().0 == State::Forgetting;
        if forgets {
            self.forgotten.fetch_add(1, Ordering::Relaxed);
            let _ = near.write_all(FAILURE.as_bytes());
            let _ = near.shutdown(Shutdown::Both);
        }
        forgets
    }

    /// Whether these bytes of a request are not passed on.
    fn keeps(&self, bytes: &[u8], near: &mut TcpStream) -> bool {
        let has = |what: &str| bytes.windows(what.len()).any(|part| part == what.as_bytes());
        self.updates.fetch_add(has("PUT /api/v1/job/").into(), Ordering::Relaxed);
        let mut is_held = has(self.what);
        if is_held
            && let (left, answer) = &mut *self.refused.lock().unwrap()
            && !answer.is_empty()
        {
            is_held = *left > 0;
            if is_held {
                *left -= 1;
                let _ = near.write_all(answer.as_bytes());
                let _ = near.shutdown(Shutdown::Write);
            }
        }
        self.held.fetch_add(is_held.into(), Ordering::Relaxed);
        is_held || matches!(self.state.lock().unwrap().0, State::Silent | State::Mute)
    }
}

/// Host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1.split('/').next().unwrap();
    rest.rsplit_once('@').map_or(rest, |(_, authority)| authority)
}

/// Passes bytes on, until some are to be kept.
fn pass(mut from: TcpStream, mut to: TcpStream, mut is_kept: impl FnMut(&[u8]) -> bool) {
    let mut bytes = [0; 16384];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if is_kept(&bytes[..length]) {
            // What comes after it is kept as well.
            while let Ok(1..) = from.read(&mut bytes) {}
            break;
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Answers a request as a server does that is overloaded.
fn fail(mut near: TcpStream) {
    // All of the request has come when nothing comes any more: what is not read would reset the connection.
    near.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut bytes = [0; 16384];
    while let Ok(1..) = near.read(&mut bytes) {}
    let _ = near.write_all(FAILURE.as_bytes());
}

/// What a proxy says whose server is away for a moment.
pub(crate) const NO_PAGE: &str = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\
    Content-Length: 19\r\nConnection: close\r\n\r\n404 page not found\n";

/// What stands in a server's place for as long as somebody works on it.
pub(crate) const BACK_SOON: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\
    Content-Length: 22\r\nConnection: close\r\n\r\n<html>Back soon</html>";

pub(crate) const FAILURE: &str =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
