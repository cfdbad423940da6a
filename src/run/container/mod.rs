//! The container of a run: what the engine is asked to create, GPUs and networks.

pub(crate) mod absence;
pub(crate) mod binds;
pub(crate) mod body;
pub(crate) mod deaf;
pub(crate) mod exit;
pub(crate) mod fast_stdout;
pub(crate) mod gpu;
pub(crate) mod network;
pub(crate) mod open_up;
pub(crate) mod output;
pub(crate) mod sight;
pub(crate) mod stop;
pub(crate) mod usage;
