//! What an adversary decides: by the bytes that a fuzzer gives, and by a seed when there are no more of them.
//!
//! The state machines of this module meet adversaries that are a part of the library, so that the fuzz targets play
//! against the same ones as the ordinary tests.

/// A row of decisions.
#[derive(Debug)]
pub(crate) struct Choices {
    bytes: Vec<u8>,
    next: usize,
    seed: u64,
}

impl Choices {
    /// Those of a seed. The same seed makes the same ones.
    #[cfg(test)]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { bytes: Vec::new(), next: 0, seed }
    }

    /// Those of these bytes, and then those of one seed: whoever only says what comes first is played to the end.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), next: 0, seed: 0 }
    }

    /// A number below `bound`, which is above zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let width = match bound {
            0..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 4,
        };
        let number = match self.bytes.get(self.next..self.next + width) {
            Some(bytes) => bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
            None => self.random(),
        };
        self.next += width;
        number % bound.max(1)
    }

    /// The place of one of so many.
    pub(crate) fn one_of(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or_default()
    }

    /// True in so many of 256 cases.
    pub(crate) fn are_so(&mut self, of_256: u64) -> bool {
        self.below(256) < of_256
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_decide_and_then_a_seed() {
        let mut choices = Choices::of(&[7, 1, 0, 200]);
        assert_eq!((choices.below(6), choices.below(1000)), (1, 256));
        assert!(choices.are_so(201));
        let mut others = Choices::of(&[]);
        let rest: Vec<_> = (0..100).map(|_| choices.below(5)).collect();
        assert_eq!(rest, (0..100).map(|_| others.below(5)).collect::<Vec<_>>());
        assert!((0..5).all(|number| rest.contains(&number)));
    }
}
