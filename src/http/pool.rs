//! Small bodies, each whole, over connections that are kept: for threads that may block.
//!
//! A [`Pool`] has the connections, and a [`Lane`] of it lets as many requests through at once as its
//! [`Window`] has room for. Whoever holds the [`Stopper`] can end all of it at once.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use url::Url;

use super::{Body, Client, Exchange, Get, HttpError, Kept, Progress, Read, Response, Window};
use crate::backoff::Backoff;

/// Connections to servers that keep them, at most [`MOST`], each for [`IDLE`].
pub struct Pool {
    pub(super) client: Client,
    kept: Mutex<Vec<Idle>>,
    /// Ends when the stopper goes.
    stop: PipeReader,
}

struct Idle {
    connection: Kept,
    since: Instant,
}

/// Dropping it ends every request of a [`Pool`], those that wait as well.
#[derive(Debug)]
pub struct Stopper {
    _stop: PipeWriter,
}

/// One kind of request, of which so many are under way at once.
pub struct Lane {
    pub(super) pool: Arc<Pool>,
    gate: Mutex<Gate>,
    /// There may be room.
    left: Condvar,
    patience: Duration,
}

struct Gate {
    window: Window,
    under_way: u32,
    waiting: u32,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaneError {
    /// The pool was stopped.
    #[error("nobody waits for it any more")]
    Stopped,
    /// The body is longer than it may be.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// What was to be sent cannot be read, or is not to be sent any more.
    #[error("cannot read what is to be sent")]
    Payload(#[source] io::Error),
    /// The request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl Pool {
    /// Has no connection yet.
    ///
    /// # Errors
    /// There is no descriptor left for the stopper.
    pub fn new(client: Client) -> io::Result<(Arc<Self>, Stopper)> {
        let (stop, stopper) = io::pipe()?;
        let pool = Self { client, kept: Mutex::default(), stop };
        Ok((Arc::new(pool), Stopper { _stop: stopper }))
    }

    /// A lane over these connections. What fails for a while is tried again so many times.
    pub fn lane(self: &Arc<Self>, window: Window, patience: Duration) -> Lane {
        let gate = Mutex::new(Gate { window, under_way: 0, waiting: 0 });
        Lane { pool: Arc::clone(self), gate, left: Condvar::new(), patience }
    }

    /// Fetches over a connection that is there. The server may have closed it meanwhile, which is no fault: then
    /// over one of its own.
    fn fetch(&self, get: &Get, limit: usize, body: &mut Vec<u8>) -> Result<(), LaneError> {
        let small = || Get { keep: true, is_small: true, ..get.clone() };
        if let Some(kept) = self.take(&get.url) {
            match self.exchange(self.client.get_over(kept, small())?, limit, body) {
                Err(LaneError::Http(HttpError::NoAnswer { .. } | HttpError::Connection { .. })) => {
                }
                other => return other,
            }
        }
        self.exchange(self.client.get(small())?, limit, body)
    }

    fn exchange(
        &self,
        exchange: Exchange,
        limit: usize,
        body: &mut Vec<u8>,
    ) -> Result<(), LaneError> {
        let mut response = self.response(exchange)?;
        self.read(&mut response.body, limit, body)?;
        self.keep_of(response.body);
        Ok(())
    }

    /// Reads a body of at most `limit` bytes to its end.
    pub(super) fn read(
        &self,
        from: &mut Body,
        limit: usize,
        body: &mut Vec<u8>,
    ) -> Result<(), LaneError> {
        body.clear();
        let announced = from.remaining();
        if announced.is_some_and(|bytes| bytes > limit as u64) {
            return Err(LaneError::TooLong(limit));
        }
        let piece = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(PIECE);
        loop {
            let filled = body.len();
            body.resize(filled + piece.clamp(1, PIECE), 0);
            let read = from.read(body.get_mut(filled..).unwrap_or_default());
            body.truncate(filled + if let Ok(Read::Bytes(count)) = read { count } else { 0 });
            match read? {
                Read::Bytes(_) if body.len() > limit => return Err(LaneError::TooLong(limit)),
                Read::Bytes(_) => {}
                Read::Blocked => {
                    let after = self.client.limits().stall;
                    if !self.wait(Some((from.socket(), PollFlags::POLLIN)), after)? {
                        return Err(from.stalled(after).into());
                    }
                }
                Read::Ended => return Ok(()),
            }
        }
    }

    /// Keeps the connection of a body that has ended, if it can be kept.
    pub(super) fn keep_of(&self, body: Body) {
        if let Some(connection) = body.into_kept() {
            self.keep(connection);
        }
    }

    /// The body of what is not small.
    pub(super) fn open(&self, get: &Get) -> Result<Body, LaneError> {
        Ok(self.response(self.client.get(get.clone())?)?.body)
    }

    fn response(&self, mut exchange: Exchange) -> Result<Response, LaneError> {
        loop {
            match exchange.advance(Instant::now())? {
                Progress::Lookup(lookup) => exchange.resolved(lookup.run()),
                Progress::Blocked { deadline } => {
                    let more = if exchange.is_sending() {
                        PollFlags::POLLIN | PollFlags::POLLOUT
                    } else {
                        PollFlags::POLLIN
                    };
                    let socket = exchange.connection().map(|(_, stream)| ((*stream).as_fd(), more));
                    self.wait(socket, deadline.saturating_duration_since(Instant::now()))?;
                }
                Progress::Ready(response) => return Ok(*response),
            }
        }
    }

    /// Waits for a socket, or for the time to pass: whether the socket is ready.
    pub(super) fn wait(
        &self,
        socket: Option<(BorrowedFd<'_>, PollFlags)>,
        at_most: Duration,
    ) -> Result<bool, LaneError> {
        let stop = PollFd::new(self.stop.as_fd(), PollFlags::POLLIN);
        // A millisecond more: the deadline has passed then.
        let timeout = PollTimeout::try_from(at_most + Duration::from_millis(1));
        let timeout = timeout.unwrap_or(PollTimeout::MAX);
        let answer = match socket {
            Some((socket, events)) => {
                let mut both = [stop, PollFd::new(socket, events)];
                let answer = poll(&mut both, timeout);
                answer.map(|_| both.map(|one| one.any().unwrap_or(true)))
            }
            None => {
                let mut stop = [stop];
                poll(&mut stop, timeout).map(|_| [stop[0].any().unwrap_or(true), false])
            }
        };
        match answer {
            Ok([true, _]) => Err(LaneError::Stopped),
            Ok([false, is_ready]) => Ok(is_ready),
            Err(Errno::EINTR) => Ok(true),
            Err(source) => Err(HttpError::Socket { source: source.into() }.into()),
        }
    }

    pub(super) fn take(&self, url: &Url) -> Option<Kept> {
        let mut kept = self.lock();
        kept.retain(|idle| idle.since.elapsed() < IDLE);
        let at = kept.iter().rposition(|idle| idle.connection.leads_to(url))?;
        Some(kept.remove(at).connection)
    }

    fn keep(&self, connection: Kept) {
        let mut kept = self.lock();
        if kept.len() == MOST {
            kept.remove(0);
        }
        kept.push(Idle { connection, since: Instant::now() });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Fetches a body of at most `limit` bytes, and blocks for as long as it takes. It is in `body` then, and
    /// nothing else.
    ///
    /// # Errors
    /// [`LaneError`]; what is in `body` is of no use.
    pub fn fetch(&self, get: &Get, limit: usize, body: &mut Vec<u8>) -> Result<(), LaneError> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE).with_patience(self.patience);
        loop {
            self.enter();
            let began = Instant::now();
            let fetched = self.pool.fetch(get, limit, body);
            let transient = match &fetched {
                Err(LaneError::Http(error)) if error.is_transient() => Some(error),
                _ => None,
            };
            self.leave(if transient.is_none() { Some(began.elapsed()) } else { None });
            let Some(error) = transient.filter(|_| backoff.may_try_again()) else {
                return fetched;
            };
            self.pool.wait(None, backoff.failed(error.retry_after()))?;
        }
    }

    /// Waits for room. While there is none, others are under way and will leave.
    pub(super) fn enter(&self) {
        let mut gate = self.lock();
        while gate.under_way >= gate.window.room() {
            gate.waiting += 1;
            gate = self.left.wait(gate).unwrap_or_else(PoisonError::into_inner);
            gate.waiting -= 1;
        }
        gate.under_way += 1;
    }

    /// A request is over: it was answered after so long, or refused.
    pub(super) fn leave(&self, answered: Option<Duration>) {
        let mut gate = self.lock();
        gate.under_way -= 1;
        match answered {
            Some(took) => gate.window.answered(took),
            None => gate.window.refused(),
        }
        // Telling nobody costs a system call, too.
        let has_waiters = gate.waiting > 0;
        drop(gate);
        if has_waiters {
            // There may be room for several.
            self.left.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("kept", &self.lock().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("window", &self.lock().window).finish_non_exhaustive()
    }
}

/// Connections that are kept: one for each request of two lanes of sixteen.
const MOST: usize = 32;

/// How long a connection is kept without a request. Girder's server closes them after ten seconds.
const IDLE: Duration = Duration::from_secs(5);

/// Read at once, of a body whose length is not known.
const PIECE: usize = 64 * 1024;

/// After the first failure. It doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
