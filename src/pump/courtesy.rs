//! When a worker that reads a container's output lets others have the processor. Pure.

/// When others are let have the processor in a turn.
#[derive(Debug, Default)]
pub(super) struct Courtesy {
    since_last: usize,
    yields: u32,
}

impl Courtesy {
    /// So much was read.
    pub(super) fn read(&mut self, bytes: usize) {
        self.since_last += bytes;
    }

    /// There is nothing more now: whether others are to have the processor before the worker sleeps. It is counted.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.since_last >= FLOWS && self.yields < MOST_YIELDS;
        if is_due {
            *self = Self { since_last: 0, yields: self.yields + 1 };
        }
        is_due
    }
}

/// An engine that gave this much is in the middle of more: before the worker sleeps, it lets others
/// have the processor, so that they need not wake it for each frame. Frames of a container that
/// writes into a full pipe are that small.
const FLOWS: usize = 4 << 10;

/// How often in a turn: others of this worker wait for their turns.
const MOST_YIELDS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_left_to_others_so_often_in_a_turn_and_only_for_what_flows() {
        let mut courtesy = Courtesy::default();
        courtesy.read(FLOWS - 1);
        assert!(!courtesy.is_due());
        courtesy.read(1);
        assert!(courtesy.is_due() && !courtesy.is_due());
        for nth in 1..MOST_YIELDS + 3 {
            courtesy.read(FLOWS);
            assert_eq!(courtesy.is_due(), nth < MOST_YIELDS, "{nth}");
        }
    }
}
