//! The phases of a run, in their order. Each is a type that only the phase before it can make.

pub(crate) mod clean_up;
pub(crate) mod collect;
pub(crate) mod prepare;
pub(crate) mod start;
pub(crate) mod stream;
pub(crate) mod wait;
