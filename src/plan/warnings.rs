//! What the user of a job should know and that fails nothing.

use crate::spec::ContainerOptions;

/// What the user of these keywords should know.
pub(super) fn of_keywords(
    options: &ContainerOptions,
) -> impl Iterator<Item = &'static str> + use<> {
    let restarts = options
        .restarts()
        .then_some("a run ends with its container's first exit: restart_policy is not passed on");
    let stdin = options.keeps_stdin_open().then_some(
        "nobody writes to the standard input that stdin_open keeps open: whoever reads it will wait",
    );
    restarts.into_iter().chain(stdin)
}
