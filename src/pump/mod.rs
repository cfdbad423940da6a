//! The streaming core: moves the bytes of many transfers with a few threads.
//!
//! A [`Pump`] has worker threads, each with an epoll loop. A run opens a [`Flow`] and
//! adds its transfers, one [`Source`] into one [`Sink`] each; what happens is told to a callback as
//! [`Notice`]s.
//!
//! It needs no container: [`transfers`](crate::transfers) shows it to whoever embeds it alone. A transfer
//! into a file, a pipe, a server or a listener ends with its source, or when its sink refuses. One out of a
//! FIFO, or into one, goes on for the next who opens it, until the caller says that nobody will:
//! [`Flow::container_exited`] is to be called when the programs at the other ends of the FIFOs are over,
//! whether they run in a container or not.
//!
//! # The reader's path through this folder
//!
//! 1. `transfer` decides, as a pure state machine: fill, drain, move, wait, yield, finish.
//! 2. `carrier` is what lies between the ends: nothing (*direct*), a kernel pipe (*splice*), a
//!    buffer of the pool (*copy*), memory and a file (`spool`), or parts that are fetched
//!    ahead (`ring`). `route` picks one.
//! 3. `source` and `sink` are the ends, `shared` our standard output as one, `post` a POST. `fifo` is an
//!    input FIFO: held until its reader comes, and served again to the next.
//! 4. A `line` is one of each put together; `step` does with it what `transfer` says. `driver` takes the
//!    turns, and tells what comes of them.
//! 5. `far` is a GET: resumed where it broke off, watched, and fetched over several connections, the
//!    lanes, into the ring where one is too slow.
//! 6. `streams` takes a container's output apart; `worker` has the threads, and gives the turns.
//!
//! What is promised: a byte that a source gave is delivered once and in its order, or the transfer
//! fails; an input FIFO is never closed before its last byte while the container runs; the output
//! of a container is taken at once, however slow its sink; a transfer that has nothing to do costs
//! no wake-up and no buffer.

mod adversary;
mod attention;
mod carrier;
mod choices;
mod courtesy;
mod driver;
mod end;
mod error;
mod far;
mod fifo;
mod line;
mod options;
mod post;
mod report;
mod route;
mod shared;
mod sink;
mod source;
mod step;
mod streams;
mod summer;
mod took;
mod transfer;
mod turn;
mod worker;

pub(crate) use self::adversary::{Between, play as play_transfer};
pub use self::carrier::Carrier;
pub(crate) use self::choices::Choices;
pub use self::end::{Listen, Sink, Source, Sum, Summed};
pub use self::error::{PumpError, TransferError};
pub(crate) use self::fifo::adversary::play as play_readers;
pub use self::options::Options;
pub use self::report::{Finish, Notice, OutputEnd, TransferReport};
pub use self::streams::{Attach, Brings, Outlet, Piece, Split, Successor};
pub use self::worker::{Flow, Pump};
