//! The manual: how to use it, by what you want to do. It has chapters, and no code.
//!
//! - [`replacing_girder_worker`]: a Girder installation changes its worker, and nothing else.

pub mod replacing_girder_worker;
