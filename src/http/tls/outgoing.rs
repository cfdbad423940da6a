//! Sealed bytes that wait for room in the socket.

use std::io;

use mio::net::TcpStream;

use crate::http::transport::{Step, flush};

/// What is to be sent, in its order.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    /// Where to append.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Sends; `Done` when nothing is left.
    pub(super) fn flush(&mut self, stream: &mut TcpStream) -> io::Result<Step> {
        let step = flush(stream, &self.bytes, &mut self.sent)?;
        if let Step::Done(_) = step {
            self.bytes.clear();
            self.sent = 0;
        } else if self.bytes.len() > MOST {
            return Err(io::Error::other("the peer asks for more than it reads"));
        }
        Ok(step)
    }
}

/// What may wait to be sent: a request with large headers, and answers to changes of keys.
const MOST: usize = 1024 * 1024;
