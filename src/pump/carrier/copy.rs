//! The copy carrier: one buffer of the pool, filled at its end and drained at its start.

use crate::pump::carrier::pool::Loan;

/// Less room than this is not filled: a TLS record (16 KiB) is decrypted where it is to stay.
const LEAST_FILL: usize = 32 << 10;

/// Bytes on their way through user space.
#[derive(Debug)]
pub(crate) struct CopyBuffer {
    buffer: Loan,
    start: usize,
    end: usize,
}

impl CopyBuffer {
    pub(crate) fn new(buffer: Loan) -> Self {
        Self { buffer, start: 0, end: 0 }
    }

    /// How much can be filled in at once; nothing, rather than a little. What is drained makes
    /// room when all of it is, so that no byte is moved about.
    pub(crate) fn room(&self) -> usize {
        match self.buffer.len() - self.end {
            little if little < LEAST_FILL => 0,
            room => room,
        }
    }

    /// Where to fill in; tell how much with [`filled`](Self::filled).
    pub(crate) fn space(&mut self, most: usize) -> &mut [u8] {
        let end = self.buffer.len().min(self.end.saturating_add(most));
        self.buffer.get_mut(self.end..end).unwrap_or_default()
    }

    pub(crate) fn filled(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.room(), "filled beyond the buffer");
        self.end = self.buffer.len().min(self.end + bytes);
    }

    /// What is to be drained; tell how much was with [`drained`](Self::drained).
    pub(crate) fn held(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn drained(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.end - self.start, "drained more than was held");
        self.start += bytes;
        if self.start >= self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pump::carrier::pool::{BUFFER_BYTES, Pool};

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut carrier = CopyBuffer::new(Pool::new(1).lend());
        carrier.space(5).copy_from_slice(b"hello");
        carrier.filled(5);
        assert_eq!(carrier.held(), b"hello");
        carrier.drained(2);
        assert_eq!(carrier.held(), b"llo");
        assert_eq!(carrier.room(), BUFFER_BYTES - 5);
        carrier.drained(3);
        assert_eq!(carrier.room(), BUFFER_BYTES);
        assert!(carrier.held().is_empty());
    }
}
