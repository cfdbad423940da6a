//! Coming from Girder Worker.

mod classes;
mod message;
#[cfg(test)]
mod tests;

pub(super) use message::read;

/// The tasks whose messages are jobs: Girder Worker's, and Slicer CLI Web's.
pub const TASKS: &[&str] = &[
    "girder_worker.docker.tasks.docker_run",
    "slicer_cli_web.girder_worker_plugin.direct_docker_run.run",
];
