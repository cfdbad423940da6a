//! The SHA-512 of a file, which Girder has in its record.

use ring::digest::{Context, SHA512};

/// A sum under way.
pub(crate) struct Sha512(Context);

impl Sha512 {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA512))
    }

    /// Adds what follows.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum of all, in hexadecimal.
    pub(crate) fn end(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The sum of what is in memory.
    pub(crate) fn of(bytes: &[u8]) -> String {
        let mut sum = Self::new();
        sum.add(bytes);
        sum.end()
    }
}
