//! The words that the job document is written in, and how a text is held against them.
//!
//! The text becomes a tree ([`node`]: syntax, limits, repeated members); the tree is held against a
//! table of what there is ([`check`]: names, kinds, rules for strings). The same table makes the JSON
//! Schema ([`schema`]). Which tables there are is not said here: docker-py's keywords are
//! in [`docker_py`], the transforms in `vocabulary`, the whole in `document`.

pub(super) mod check;
pub(super) mod docker_py;
mod example;
pub(super) mod fields;
pub(super) mod node;
pub(super) mod number;
pub(super) mod rule;
#[cfg(test)]
mod rule_tests;
pub(super) mod schema;
pub(super) mod table;

pub(super) use node::{MAX_DEPTH, MAX_NODES, shortened, too_many};
pub(crate) use node::{Node, Value};

use super::error::{Problem, SpecError};

/// A problem, and the offset in the text of the value that has it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(super) at: usize,
    pub(super) problem: Problem,
}

impl Fault {
    pub(super) fn new(at: usize, problem: Problem) -> Self {
        Self { at, problem }
    }

    /// The error that says where in `text`, of which `tree` was read.
    pub(crate) fn located(self, tree: &Node, text: &str) -> SpecError {
        SpecError::new(tree.place(text, self.at), self.problem)
    }
}
