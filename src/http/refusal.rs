//! What a server says about its saying no: the beginning of the error's body, waited for a moment.

use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::framing::Course;
use super::head::Head;
use super::request::Request;
use super::transport::Transport;
use super::{Body, HttpError, Proxies, Read, excerpt};

/// An answer that is an error, whose body is being read.
#[derive(Debug)]
pub(super) struct Refusal {
    body: Box<Body>,
    status: u16,
    retry_after: Option<Duration>,
    deadline: Instant,
    text: Vec<u8>,
}

impl Refusal {
    /// The body behind `head` is read, until `deadline` or for a moment, whichever is the earlier.
    pub(super) fn new(
        head: &Head,
        transport: Transport,
        place: String,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Self {
        let course = Course::new(head.framing, None);
        let body = Box::new(Body::new(transport, course, place, 0));
        let moment = now + MOMENT;
        let deadline = deadline.map_or(moment, |deadline| deadline.min(moment));
        let (status, retry_after) = (head.status, head.retry_after);
        Self { body, status, retry_after, deadline, text: Vec::new() }
    }

    /// Reads what is there. Says whether that was all that is wanted: if not, wait for an edge of
    /// the connection, or the deadline.
    #[must_use]
    pub(super) fn read(&mut self, now: Instant) -> bool {
        let mut buf = [0; 1024];
        while self.text.len() < EXCERPT {
            match self.body.read(&mut buf) {
                Ok(Read::Bytes(count)) => {
                    self.text.extend_from_slice(buf.get(..count).unwrap_or_default());
                }
                Ok(Read::Blocked) if now < self.deadline => return false,
                // However it ended: the status is the news.
                Ok(Read::Blocked | Read::Ended) | Err(_) => break,
            }
        }
        true
    }

    pub(super) fn connection(&mut self) -> &mut TcpStream {
        self.body.connection()
    }

    /// When to [`read`](Self::read) at the latest.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The error of `request`, which went by way of `proxies`, with what was read of it.
    pub(super) fn into_error(self, request: &Request, proxies: &Proxies) -> HttpError {
        let proxy = proxies.way(request.url());
        let message = excerpt::message(&self.text, |text| request.redact(text, proxy));
        let Self { status, retry_after, .. } = self;
        HttpError::Status { place: request.place(), status, message, retry_after }
    }
}

/// The error of a status that nothing is said about.
pub(super) fn without_a_word(request: &Request, status: u16) -> HttpError {
    HttpError::Status { place: request.place(), status, message: None, retry_after: None }
}

/// Bytes of an error's body that are looked at.
const EXCERPT: usize = 8 * 1024;

/// How long an error's body is waited for.
const MOMENT: Duration = Duration::from_secs(2);
