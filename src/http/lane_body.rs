//! A body that is read as it comes, by a thread that may block.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::{Body, Get, Lane, LaneError, Read};

/// A body of a [`Lane`], which has room for one less until this is dropped.
pub struct LaneBody<'a> {
    lane: &'a Lane,
    body: Body,
    /// From the question to the answer's head.
    took: Duration,
}

impl Lane {
    /// Asks for a body of any length, once, over a connection of its own, and blocks until its first byte may be read.
    ///
    /// # Errors
    /// [`LaneError`].
    pub fn open(&self, get: &Get) -> Result<LaneBody<'_>, LaneError> {
        self.enter();
        let began = Instant::now();
        match self.pool.open(get) {
            Ok(body) => Ok(LaneBody { lane: self, body, took: began.elapsed() }),
            Err(error) => {
                self.leave(match &error {
                    LaneError::Http(error) if error.is_transient() => None,
                    _ => Some(began.elapsed()),
                });
                Err(error)
            }
        }
    }
}

/// An error is a [`LaneError`] of this kind: the pool was stopped, or the body broke off.
impl io::Read for LaneBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let pool = &self.lane.pool;
        let failed = |error: LaneError| io::Error::other(error);
        loop {
            match self.body.read(buffer).map_err(|error| failed(error.into()))? {
                Read::Bytes(count) => return Ok(count),
                Read::Ended => return Ok(0),
                Read::Blocked => {
                    let socket = Some((self.body.socket(), PollFlags::POLLIN));
                    let after = pool.client.limits().stall;
                    if !pool.wait(socket, after).map_err(failed)? {
                        return Err(failed(self.body.stalled(after).into()));
                    }
                }
            }
        }
    }
}

impl Drop for LaneBody<'_> {
    fn drop(&mut self) {
        self.lane.leave(Some(self.took));
    }
}

impl fmt::Debug for LaneBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneBody").field("body", &self.body).finish_non_exhaustive()
    }
}
