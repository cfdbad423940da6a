//! The state machine, step by step.

use super::*;

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
