//! The FIFO that a container reads: who reads it now, and what that means for the transfer into it.
//!
//! `readers` decides, as a pure state machine. `input` asks and does, with its `ends`; `ears` sorts what
//! inotify tells a worker. Where there is no inotify a `waiter` waits for the reader. `reading` is what
//! the readers bring about for their transfer. An `adversary` plays against it.

pub(in crate::pump) mod adversary;
pub(in crate::pump) mod ears;
mod ends;
pub(in crate::pump) mod input;
mod readers;
mod reading;
mod waiter;
