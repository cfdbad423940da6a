//! Text out of bytes that come in pieces. Pure.

/// Makes text of bytes that come in pieces: a character may be in two of them. What is none is
/// U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The beginning of a character, at most three bytes.
    held: Vec<u8>,
}

impl Decoder {
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> String {
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(bytes);
        let mut text = String::with_capacity(joined.len());
        let mut chunks = joined.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            if chunks.peek().is_none() && is_beginning(invalid) {
                self.held = invalid.to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }
}

/// Whether bytes that are no character may become one.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_survive_every_split_and_the_rest_is_replaced() {
        let bytes = b"a\xc3\xa9\xf0\x9f\x8e\x89z\xff\xc3(\xe2\x82!".as_slice();
        let expected = String::from_utf8_lossy(bytes);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut decoder = Decoder::default();
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let text: String = pieces.iter().map(|piece| decoder.decode(piece)).collect();
                assert_eq!(text, expected, "split at {first}, {second}");
                assert!(decoder.held.is_empty());
            }
        }
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"x\xf0\x9f\x8e"), "x");
        assert_eq!(decoder.held.len(), 3);
    }
}
