//! The FIFO that a container reads: who reads it now, and what that means for the transfer into it.

pub(in crate::pump) mod glimpse;
pub(in crate::pump) mod input;
mod reading;
mod waiter;
