//! The SHA-512 of a file, which Girder has in its record.

use ring::digest::{Context, SHA512};

#[cfg(target_arch = "x86_64")]
use crate::sys::sha512::{Avx2, BLOCK};

/// A sum under way.
pub(crate) struct Sha512(By);

enum By {
    Ring(Context),
    #[cfg(target_arch = "x86_64")]
    Here(Here),
}

impl Sha512 {
    pub(crate) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return Self(By::Here(Here::new(avx2)));
        }
        Self(By::Ring(Context::new(&SHA512)))
    }

    /// Adds what follows.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            By::Ring(context) => context.update(bytes),
            #[cfg(target_arch = "x86_64")]
            By::Here(sum) => sum.add(bytes),
        }
    }

    /// The sum of all, in hexadecimal.
    pub(crate) fn end(self) -> String {
        let hex = |sum: &[u8]| sum.iter().map(|byte| format!("{byte:02x}")).collect();
        match self.0 {
            By::Ring(context) => hex(context.finish().as_ref()),
            #[cfg(target_arch = "x86_64")]
            By::Here(sum) => hex(&sum.end()),
        }
    }

    /// The sum of what is in memory.
    pub(crate) fn of(bytes: &[u8]) -> String {
        let mut sum = Self::new();
        sum.add(bytes);
        sum.end()
    }
}

/// What ring does not have code for.
#[cfg(target_arch = "x86_64")]
struct Here {
    avx2: Avx2,
    state: [u64; 8],
    /// What is no block yet.
    begun: [u8; BLOCK],
    /// Bytes of all.
    bytes: u128,
}

#[cfg(target_arch = "x86_64")]
impl Here {
    fn new(avx2: Avx2) -> Self {
        Self { avx2, state: FIRST, begun: [0; BLOCK], bytes: 0 }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        let begun = self.begun();
        self.bytes += bytes.len() as u128;
        if begun > 0 {
            let room = &mut self.begun[begun..];
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            if now.len() < room.len() {
                return;
            }
            self.avx2.add(&mut self.state, &[self.begun]);
            bytes = later;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        self.avx2.add(&mut self.state, blocks);
        self.begun[..rest.len()].copy_from_slice(rest);
    }

    /// Bytes of a block that is not whole.
    fn begun(&self) -> usize {
        (self.bytes % BLOCK as u128) as usize
    }

    /// FIPS 180-4, 5.1.2: a bit, zeros, and the number of bits at the end of a block.
    fn end(mut self) -> [u8; 64] {
        const ROOM: usize = BLOCK - size_of::<u128>();
        let bits = self.bytes * 8;
        let zeros = (BLOCK + ROOM - 1 - self.begun()) % BLOCK;
        self.add(&[0x80]);
        self.add(&[0; BLOCK][..zeros]);
        self.add(&bits.to_be_bytes());
        let mut sum = [0; 64];
        for (bytes, word) in sum.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        sum
    }
}

/// FIPS 180-4, 5.3.5.
#[cfg(target_arch = "x86_64")]
const FIRST: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of_ring(bytes: &[u8]) -> String {
        let sum = ring::digest::digest(&SHA512, bytes);
        sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_sum_is_that_of_its_bytes_whatever_their_number() {
        let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1300).collect();
        for length in 0..bytes.len() {
            assert_eq!(Sha512::of(&bytes[..length]), of_ring(&bytes[..length]), "{length} bytes");
        }
    }

    #[test]
    fn a_sum_is_that_of_its_bytes_in_whatever_pieces() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let length = random.usize(..20_000);
            let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
            let most = [3, 200, 5000][random.usize(..3)];
            let (mut sum, mut rest) = (Sha512::new(), &bytes[..]);
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(random.usize(..=most).min(rest.len()));
                sum.add(piece);
                rest = later;
            }
            assert_eq!(sum.end(), of_ring(&bytes), "seed {seed}");
        }
    }
}
