//! The state machine against an adversary: ends that block, trickle and refuse at its whim, with
//! edges that come once, and only after a block.

use super::*;

/// A peer that decides by a seed what each call finds.
struct Adversary {
    random: fastrand::Rng,
    left: u64,
    room: Option<usize>,
    held: usize,
    capacity: usize,
    delivered: u64,
    source_owes_edge: bool,
    sink_owes_edge: bool,
}

impl Adversary {
    fn new(seed: u64, direct: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let capacity = random.usize(1..300_000);
        let left = random.u64(0..20_000_000);
        Self {
            left,
            room: (!direct).then_some(capacity),
            held: 0,
            capacity,
            delivered: 0,
            source_owes_edge: false,
            sink_owes_edge: false,
            random,
        }
    }

    fn room(&self) -> Room {
        self.room.map_or(Room::Direct, |_| Room::Bytes(self.capacity - self.held))
    }

    fn some(&mut self, most: u64) -> usize {
        usize::try_from(self.random.u64(1..=most)).unwrap()
    }

    fn play(mut self, seed: u64) {
        let total = self.left;
        let mut transfer = Transfer::new();
        let (mut turn, mut given) = (0, 0);
        for _ in 0..2_000_000 {
            match transfer.next(self.room()) {
                Step::Fill(most) => {
                    assert!(most > 0 && most <= self.capacity - self.held, "seed {seed}");
                    if self.left == 0 {
                        transfer.source_ended();
                    } else if self.random.u8(..) < 60 {
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
                    assert!(most > 0 && most <= self.held, "seed {seed}");
                    if self.random.u8(..) < 60 {
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
                    } else if self.random.u8(..) < 60 {
                        // One of the two is the reason, and only that one will send an edge;
                        // which one can be known or not.
                        let (is_source, is_known) = (self.random.bool(), self.random.bool());
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
                        "seed {seed}: it waits for an edge that nobody owes: {transfer:?}"
                    );
                    self.pay_edges(&mut transfer);
                }
                Step::Yield => {
                    let is_early = turn < TURN_BYTES && given < TURN_BYTES;
                    assert!(!is_early, "seed {seed}: gave up its turn early");
                    (turn, given) = (0, 0);
                    transfer.begin_turn();
                }
                Step::Finish => {
                    assert_eq!(self.delivered, total, "seed {seed}");
                    assert_eq!(transfer.delivered(), total, "seed {seed}");
                    assert_eq!((transfer.held(), self.held), (0, 0), "seed {seed}");
                    return;
                }
            }
            let longest = TURN_BYTES + STEP_BYTES.max(self.capacity);
            assert!(turn.max(given) < longest, "seed {seed}: the turn has no end");
        }
        panic!("seed {seed}: no end in sight");
    }

    fn pay_edges(&mut self, transfer: &mut Transfer) {
        // At least one edge comes; spurious ones may.
        let first_source = self.source_owes_edge && (!self.sink_owes_edge || self.random.bool());
        if first_source {
            self.source_owes_edge = false;
            transfer.source_became_ready(self.room());
        } else {
            self.sink_owes_edge = false;
            transfer.sink_became_ready(self.room());
        }
        if self.random.u8(..) < 20 {
            transfer.source_became_ready(self.room());
        }
        if self.random.u8(..) < 20 {
            transfer.sink_became_ready(self.room());
        }
    }
}

#[test]
fn every_schedule_delivers_every_byte_once() {
    let first = std::env::var("GANTLINE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(0..3000, |seed: u64| seed..seed + 1);
    for seed in seeds {
        Adversary::new(seed, seed % 2 == 0).play(seed);
    }
}

#[test]
fn a_large_spool_is_drained_turn_by_turn() {
    let mut transfer = Transfer::new();
    for _ in 0..3 {
        transfer.filled(TURN_BYTES);
    }
    transfer.source_ended();
    for _ in 0..3 {
        assert_eq!(transfer.next(Room::Bytes(0)), Step::Drain(TURN_BYTES));
        transfer.drained(TURN_BYTES);
        if !transfer.is_complete() {
            assert_eq!(transfer.next(Room::Bytes(0)), Step::Yield);
        }
        transfer.begin_turn();
    }
    assert_eq!(transfer.next(Room::Bytes(0)), Step::Finish);
}

#[test]
fn a_source_that_ended_stays_ended() {
    let mut transfer = Transfer::new();
    transfer.filled(3);
    transfer.source_ended();
    transfer.source_became_ready(Room::Bytes(10));
    transfer.source_blocked();
    assert_eq!(transfer.next(Room::Bytes(10)), Step::Drain(3));
    transfer.drained(3);
    assert_eq!(transfer.next(Room::Bytes(13)), Step::Finish);
}

#[test]
fn where_it_is_known_which_end_blocked_the_other_ones_edges_change_nothing() {
    let mut transfer = Transfer::new();
    transfer.sink_blocked();
    transfer.source_became_ready(Room::Direct);
    assert_eq!(transfer.next(Room::Direct), Step::Wait);
    assert!(!transfer.waits_for_source());
    transfer.sink_became_ready(Room::Direct);
    assert_eq!(transfer.next(Room::Direct), Step::Move(TURN_BYTES));
    transfer.source_blocked();
    transfer.sink_became_ready(Room::Direct);
    assert_eq!(transfer.next(Room::Direct), Step::Wait);
    transfer.source_became_ready(Room::Direct);
    assert_eq!(transfer.next(Room::Direct), Step::Move(TURN_BYTES));
}

#[test]
fn a_full_carrier_waits_for_the_sink_and_not_for_the_source() {
    let mut transfer = Transfer::new();
    transfer.filled(10);
    transfer.sink_blocked();
    assert_eq!(transfer.next(Room::Bytes(0)), Step::Wait);
    transfer.source_became_ready(Room::Bytes(0));
    assert_eq!(transfer.next(Room::Bytes(0)), Step::Wait);
    transfer.sink_became_ready(Room::Bytes(0));
    assert_eq!(transfer.next(Room::Bytes(0)), Step::Drain(10));
}
