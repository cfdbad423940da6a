//! A transfer against an adversary: ends that block, trickle and refuse at its whim, with edges that come once, and only
//! after a block.

use super::choices::Choices;
use super::transfer::{Room, STEP_BYTES, Step, TURN_BYTES, Transfer};

/// Plays a transfer to its end.
///
/// # Panics
/// It has lost a byte, waits for what does not come, or has no end.
pub(crate) fn play(choices: Choices, between: Between) {
    Adversary::new(choices, between).play();
}

/// What lies between the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    Nothing,
    Carrier,
}

/// A peer that decides what each call finds.
#[derive(Debug)]
struct Adversary {
    choices: Choices,
    left: u64,
    room: Option<usize>,
    held: usize,
    capacity: usize,
    delivered: u64,
    source_owes_edge: bool,
    sink_owes_edge: bool,
}

impl Adversary {
    fn new(mut choices: Choices, between: Between) -> Self {
        let capacity = 1 + choices.one_of(300_000 - 1);
        // What has to go byte by byte is not much.
        let left = choices.below(20_000_000.min(20_000 * capacity as u64));
        Self {
            left,
            room: (between == Between::Carrier).then_some(capacity),
            held: 0,
            capacity,
            delivered: 0,
            source_owes_edge: false,
            sink_owes_edge: false,
            choices,
        }
    }

    fn room(&self) -> Room {
        self.room.map_or(Room::Direct, |_| Room::Bytes(self.capacity - self.held))
    }

    fn some(&mut self, most: u64) -> usize {
        usize::try_from(1 + self.choices.below(most)).unwrap_or(1)
    }

    fn play(mut self) {
        let total = self.left;
        let mut transfer = Transfer::new();
        let (mut turn, mut given) = (0, 0);
        for step in 0.. {
            assert!(step < 2_000_000, "no end in sight");
            match transfer.next(self.room()) {
                Step::Fill(most) => {
                    assert!(most > 0 && most <= self.capacity - self.held);
                    if self.left == 0 {
                        transfer.source_ended();
                    } else if self.choices.are_so(60) {
                        self.source_owes_edge = true;
                        transfer.source_blocked();
                    } else {
                        let bytes = self.some(self.left.min(most as u64));
                        self.left -= bytes as u64;
                        self.held += bytes;
                        turn += bytes;
                        transfer.filled(bytes);
                    }
                }
                Step::Drain(most) => {
                    assert!(most > 0 && most <= self.held);
                    if self.choices.are_so(60) {
                        self.sink_owes_edge = true;
                        transfer.sink_blocked();
                    } else {
                        let bytes = self.some(most as u64);
                        self.held -= bytes;
                        self.delivered += bytes as u64;
                        given += bytes;
                        transfer.drained(bytes);
                    }
                }
                Step::Move(most) => {
                    if self.left == 0 {
                        transfer.source_ended();
                    } else if self.choices.are_so(60) {
                        // One of the two is the reason, and only that one will send an edge;
                        // which one can be known or not.
                        let (is_source, is_known) =
                            (self.choices.are_so(128), self.choices.are_so(128));
                        self.source_owes_edge |= is_source;
                        self.sink_owes_edge |= !is_source;
                        match (is_known, is_source) {
                            (false, _) => transfer.move_blocked(),
                            (true, true) => transfer.source_blocked(),
                            (true, false) => transfer.sink_blocked(),
                        }
                    } else {
                        let bytes = self.some(self.left.min(most as u64));
                        self.left -= bytes as u64;
                        self.delivered += bytes as u64;
                        turn += bytes;
                        transfer.moved(bytes);
                    }
                }
                Step::Wait => {
                    assert!(
                        self.source_owes_edge || self.sink_owes_edge,
                        "it waits for an edge that nobody owes: {transfer:?}"
                    );
                    self.pay_edges(&mut transfer);
                }
                Step::Yield => {
                    let is_early = turn < TURN_BYTES && given < TURN_BYTES;
                    assert!(!is_early, "gave up its turn early");
                    (turn, given) = (0, 0);
                    transfer.begin_turn();
                }
                Step::Finish => {
                    assert_eq!(self.delivered, total);
                    assert_eq!(transfer.delivered(), total);
                    assert_eq!((transfer.held(), self.held), (0, 0));
                    return;
                }
            }
            let longest = TURN_BYTES + STEP_BYTES.max(self.capacity);
            assert!(turn.max(given) < longest, "the turn has no end");
        }
    }

    fn pay_edges(&mut self, transfer: &mut Transfer) {
        // At least one edge comes; spurious ones may.
        let first_source =
            self.source_owes_edge && (!self.sink_owes_edge || self.choices.are_so(128));
        if first_source {
            self.source_owes_edge = false;
            transfer.source_became_ready(self.room());
        } else {
            self.sink_owes_edge = false;
            transfer.sink_became_ready(self.room());
        }
        if self.choices.are_so(20) {
            transfer.source_became_ready(self.room());
        }
        if self.choices.are_so(20) {
            transfer.sink_became_ready(self.room());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_delivers_every_byte_once() {
        let first = std::env::var("GANTLINE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seeds = first.map_or(0..3000, |seed: u64| seed..seed + 1);
        for seed in seeds {
            // Shown only if it fails.
            println!("seed {seed}");
            let between = if seed % 2 == 0 { Between::Nothing } else { Between::Carrier };
            play(Choices::seeded(seed), between);
        }
    }
}
