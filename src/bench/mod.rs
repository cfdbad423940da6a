//! `gantline bench`: what this machine can move.
//!
//! [`measure`] takes [`Options`] and gives a [`Measurement`]: for each [`Case`] the rate, the CPU
//! time, the memory, and the carrier that the pump chose. It brings everything that it needs: the
//! `store` is a folder with one file in it and `gantline depot` as a child process, the readers and
//! writers are children as well, each in a [`Role`], and so are two small servers (`server`) for
//! what the depot does not do. One more child moves the bytes, by a pump and nothing else
//! (`mover`), so that what the kernel counts for it is what moving costs. With an image the bytes
//! go through a container instead, by `gantline run` itself (`ordinary`). Files come into volumes only so, and go up
//! by `gantline upload`: those cases are of many small files, of one with a sum, and of a large one, and the stores
//! that the depot is not are in `girder`.
//!
//! The children are this program again; `message` is what is said between them, `child` starts
//! them, listens to all of them at once and ends them. A run begins when all are ready, and is over
//! when the last reader has its last byte, by the clock that all processes share. `strace` counts
//! system calls; `table` and `plot` show what came of it, `spread` how the runs lie. Against another
//! build (`other`) each run has a counterpart whose moving process is that build's, by turns A B B A;
//! all else is this one's.
//!
//! It stands beside the command, above what it measures: the pump by itself, and the ordinary run.

mod attach;
mod begun;
mod case;
mod child;
mod error;
mod girder;
mod machine;
mod measure;
mod message;
mod mover;
mod ordinary;
mod other;
mod peer;
mod plot;
mod server;
mod spread;
mod store;
mod strace;
mod table;

pub use self::{
    begun::Begun,
    case::Case,
    child::Canceller,
    error::{BenchError, PeerError},
    machine::Machine,
    measure::{Options, Step, measure},
    other::Other,
    peer::Role,
    plot::plot,
    table::{Measured, Measurement, Run},
};
