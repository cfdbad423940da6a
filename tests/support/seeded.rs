//! Bytes that look random and can be made again.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// So many bytes of a seed. Equal seeds begin with equal bytes.
#[derive(Debug, Clone)]
pub(crate) struct Seeded {
    generator: fastrand::Rng,
    left: u64,
}

impl Seeded {
    /// The first `size` bytes of the seed.
    pub(crate) fn new(seed: u64, size: u64) -> Self {
        Self { generator: fastrand::Rng::with_seed(seed), left: size }
    }

    /// How many there are still to read.
    pub(crate) fn len(&self) -> u64 {
        self.left
    }

    /// The SHA-256 of all that is still to read, as `sha256sum` prints it.
    pub(crate) fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        let mut rest = self.clone();
        let mut block = vec![0; 1 << 20];
        while let got @ 1.. = rest.read(&mut block).unwrap() {
            digest.update(&block[..got]);
        }
        hex(&digest.finalize())
    }
}

impl Read for Seeded {
    /// Fills `buf` as far as there are bytes. The stream is the same however it is read as long as
    /// the pieces are multiples of eight bytes.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        self.generator.fill(&mut buf[..room]);
        self.left -= room as u64;
        Ok(room)
    }
}

/// Lower-case hex digits, as `sha256sum` prints them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
