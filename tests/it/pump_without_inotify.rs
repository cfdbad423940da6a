//! The pump where inotify is not to be had: a user may have used up the instances.

use std::process::Command;

use crate::pump_peer::run_again;

/// Tests of the pump that hold there as well. (A second reader is served by inotify only.)
const TESTS: [&str; 7] = [
    "pump_fifo::a_body_that_ends_with_its_connection_goes_directly",
    "pump_fifo::a_body_with_a_length_goes_directly_whatever_its_length",
    "pump_fifo::a_fifo_that_nobody_opens_is_released_and_noted",
    "pump_fifo::a_reader_that_leaves_early_ends_the_transfer",
    "pump_fifo::a_source_that_breaks_off_is_resumed_at_the_byte",
    "pump_fifo::chunks_are_copied",
    "pump_fifo::many_transfers_share_few_threads_and_buffers",
];

/// In a user namespace the number of instances can be set to none; see namespaces(7).
const WITHOUT: &str = "echo 0 >/proc/sys/user/max_inotify_instances || exit 99; exec \"$0\" \"$@\"";

#[test]
fn each_reader_is_served_by_a_thread() {
    let mut without = Command::new("unshare");
    without.args(["--user", "--map-root-user", "sh", "-c", WITHOUT]);
    run_again(without, &TESTS);
}
