//! What happens to a transfer and to its FIFO, in an order that the bytes say.

use crate::pump::{Between, Choices, play_readers, play_transfer};

/// Whatever its ends do, a transfer delivers each byte once, waits only for an edge that is owed, gives up its turn in
/// time, and ends. The first byte says whether there is a carrier between the ends, the others what they do.
pub fn pump_transfer(data: &[u8]) {
    let Some((kind, choices)) = data.split_first() else { return };
    let between = if kind % 2 == 0 { Between::Nothing } else { Between::Carrier };
    play_transfer(Choices::of(choices), between);
}

/// Whenever programs open a FIFO, read from it and leave it, each gets the file from its first byte to its end, or it is
/// told that one did not; nobody waits for ever. The first byte says what may be lost of what is told, the others what
/// the programs do.
pub fn fifo_readers(data: &[u8]) {
    let Some((kind, choices)) = data.split_first() else { return };
    play_readers(u64::from(*kind), Choices::of(choices));
}
