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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_a_peer_that_reads_nothing_asks_for_is_kept_within_a_bound() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _peer = listener.accept().unwrap();
        let piece = [0; 64 << 10];
        let full = loop {
            match stream.write(&piece) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(full, io::ErrorKind::WouldBlock);
        let mut outgoing = Outgoing::default();
        outgoing.bytes().resize(MOST, 0);
        assert!(matches!(outgoing.flush(&mut stream), Ok(Step::Blocked)));
        outgoing.bytes().push(0);
        let error = outgoing.flush(&mut stream).unwrap_err();
        assert_eq!(error.to_string(), "the peer asks for more than it reads");
    }
}
