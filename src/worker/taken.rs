//! A message that was taken from a broker.

use std::cell::Cell;
use std::rc::Rc;

use super::broker::Delivery;
use super::celery::Task;

/// A message that is ours, with what we understand of it.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) delivery: Rc<Delivery>,
    pub(super) task: Task,
    /// Whether it is known that its job runs nowhere else, though the message comes again.
    pub(super) is_nobodys: Cell<bool>,
}
