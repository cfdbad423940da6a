//! What the tests against the real engine and the real Girder share. A test binary takes in all of it,
//! or just the files that it uses:
//!
//! ```ignore
//! #[cfg(test)] // for clippy, which then allows what tests may do
//! #[path = "../support/mod.rs"]
//! mod support;
//! ```
#![allow(clippy::allow_attributes, dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod archive;
pub(crate) mod blocks;
pub(crate) mod command;
pub(crate) mod crowd;
pub(crate) mod disk;
pub(crate) mod engine;
pub(crate) mod example;
pub(crate) mod gate;
pub(crate) mod girder;
pub(crate) mod girder_job;
pub(crate) mod in_front;
pub(crate) mod job;
pub(crate) mod pasted;
pub(crate) mod peer;
pub(crate) mod posted;
pub(crate) mod seeded;
pub(crate) mod tinyproxy;
