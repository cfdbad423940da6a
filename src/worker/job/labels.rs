//! What containers of jobs are found by.

/// The label of a container by which the node that made it is found.
pub(super) const NODE_LABEL: &str = "gantline.node";

/// The label of a container by which its task is found again.
pub(super) const TASK_LABEL: &str = "gantline.task";
