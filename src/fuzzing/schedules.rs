//! What happens to a transfer and to its FIFO, in an order that the bytes say.

use crate::pump::{Between, Choices, play_readers, play_transfer};

/// Whatever its ends do, a transfer delivers each byte once, waits only for an edge that is owed, gives up its turn in
/// time, and ends. The first byte says whether there is a carrier between the ends, the others what they do.
pub fn pump_transfer(data: &[u8]) {
    let Some((kind, choices)) = data.split_first() else { return };
    let between = if kind % 2 == 0 { Between::Nothing } else { Between::Carrier };
    play_transfer(Choices::of(choices), between);
}

/// Whenever a program opens a FIFO, looks at it, reads it and leaves it, it gets the file from its first byte to its end,
/// and never waits for ever. The first byte says whether what is told may be lost, the others what the program does, and
/// what comes between. (Of several programs at once the kernel does not tell enough; seeds play those.)
pub fn fifo_readers(data: &[u8]) {
    let Some((kind, choices)) = data.split_first() else { return };
    play_readers(if kind % 2 == 0 { ORDERLY } else { LOSSY }, Choices::of(choices));
}

/// Of the sixteen kinds, two of one program.
const ORDERLY: u64 = 2;
const LOSSY: u64 = 16;
