//! The Python classes in a message that are no transforms; those that are stand at their rows in
//! `vocabulary`.

/// docker-py's classes that are dictionaries, in the engine's own words.
pub(super) static DICTIONARIES: &[&str] = &[
    "docker.types.containers.DeviceRequest",
    "docker.types.containers.LogConfig",
    "docker.types.containers.Ulimit",
    "docker.types.healthcheck.Healthcheck",
    "docker.types.services.Mount",
];

/// Classes that Girder Worker has and that can do nothing in a message, and why.
pub(super) static REFUSED: &[(&str, &str, &str)] = &[(
    "girder_worker.utils.transforms.girder_io.GirderItemMetadata",
    "GirderItemMetadata",
    "it merges what a task returns, and docker_run returns nothing: use a job document, which says \
     the values or the file that has them",
)];
