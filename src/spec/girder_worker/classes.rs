//! The Python classes that a message may hold: each is a transform of the job document.

/// A class, and what becomes of its attributes.
pub(super) struct Class {
    /// With its module.
    pub(super) name: &'static str,
    /// The transform that it is.
    pub(super) kind: &'static str,
    /// Its attributes, and the transform's members.
    pub(super) members: &'static [(&'static str, &'static str)],
    /// Attributes that only matter to the process in which they are set.
    pub(super) ignored: &'static [&'static str],
}

/// All that are known.
pub(super) static CLASSES: &[Class] = &[
    Class {
        name: "girder_worker.docker.transforms.BindMountVolume",
        kind: "BindMountVolume",
        members: &[
            ("_host_path", "host_path"),
            ("_container_path", "container_path"),
            ("mode", "mode"),
        ],
        ignored: &[],
    },
    Class {
        name: "girder_worker.docker.transforms.TemporaryVolume",
        kind: "TemporaryVolume",
        members: &[("host_dir", "host_dir"), ("_mode", "mode")],
        ignored: OF_A_TEMPORARY_VOLUME,
    },
    Class {
        name: "girder_worker.docker.transforms._DefaultTemporaryVolume",
        kind: "TemporaryVolume.default",
        members: &[],
        ignored: &["host_dir", "_mode", "_host_path", "_container_path", "mode", "_transformed"],
    },
    Class {
        name: "girder_worker.docker.transforms.VolumePath",
        kind: "VolumePath",
        members: &[("filename", "filename"), VOLUME],
        ignored: &[],
    },
    Class {
        name: "girder_worker.docker.transforms.NamedInputPipe",
        kind: "NamedInputPipe",
        members: OF_A_PIPE,
        ignored: &[],
    },
    Class {
        name: "girder_worker.docker.transforms.NamedOutputPipe",
        kind: "NamedOutputPipe",
        members: OF_A_PIPE,
        ignored: &[],
    },
    Class {
        name: "girder_worker.docker.transforms.Connect",
        kind: "Connect",
        members: &[("_input", "input"), ("_output", "output")],
        ignored: &[],
    },
    plain("girder_worker.docker.transforms.HostStdOut", "HostStdOut"),
    plain("girder_worker.docker.transforms.HostStdErr", "HostStdErr"),
    plain("girder_worker.docker.transforms.ContainerStdOut", "ContainerStdOut"),
    plain("girder_worker.docker.transforms.ContainerStdErr", "ContainerStdErr"),
    Class {
        name: "girder_worker.docker.transforms.ChunkedTransferEncodingStream",
        kind: "ChunkedTransferEncodingStream",
        members: &[("url", "url"), ("headers", "headers")],
        ignored: &[],
    },
    Class {
        name: "girder_worker.docker.transforms.girder.ProgressPipe",
        kind: "ProgressPipe",
        members: &[("name", "name"), VOLUME],
        ignored: &[],
    },
    Class {
        name: "girder_worker.docker.transforms.girder.GirderFileIdToStream",
        kind: "GirderFileIdToStream",
        members: &[("file_id", "id")],
        ignored: &[],
    },
    Class {
        name: "girder_worker.docker.transforms.girder.GirderFileIdToVolume",
        kind: "GirderFileIdToVolume",
        members: &[("_file_id", "id"), VOLUME, ("_filename", "filename")],
        ignored: &["_file_path"],
    },
    Class {
        name: "slicer_cli_web.girder_worker_plugin.direct_docker_run.DirectGirderFileIdToVolume",
        kind: "DirectGirderFileIdToVolume",
        members: &[
            ("_file_id", "id"),
            VOLUME,
            ("_filename", "filename"),
            ("_direct_file_path", "direct_file_path"),
        ],
        ignored: &["_file_path", "_direct_container_path"],
    },
    Class {
        name: "girder_worker.docker.transforms.girder.GirderItemIdToVolume",
        kind: "GirderItemIdToVolume",
        members: &[("_item_id", "id"), VOLUME],
        ignored: &["_item_path"],
    },
    Class {
        name: "girder_worker.docker.transforms.girder.GirderFolderIdToVolume",
        kind: "GirderFolderIdToVolume",
        members: &[("_folder_id", "id"), VOLUME, ("_folder_name", "folder_name")],
        ignored: &["_folder_path"],
    },
    plain("slicer_cli_web.girder_worker_plugin.direct_docker_run.GirderApiUrl", "GirderApiUrl"),
    plain("slicer_cli_web.girder_worker_plugin.direct_docker_run.GirderToken", "GirderToken"),
    Class {
        name: "girder_worker.docker.transforms.girder.GirderUploadVolumePathToItem",
        kind: "GirderUploadVolumePathToItem",
        members: &[
            ("_volumepath", "volumepath"),
            ("item_id", "item_id"),
            ("delete_file", "delete_file"),
            ("upload_kwargs", "upload_kwargs"),
        ],
        ignored: OF_A_HOOK,
    },
    Class {
        name: "girder_worker.docker.transforms.girder.GirderUploadVolumePathToFolder",
        kind: "GirderUploadVolumePathToFolder",
        members: &[
            ("_volumepath", "volumepath"),
            ("folder_id", "folder_id"),
            ("delete_file", "delete_file"),
            ("upload_kwargs", "upload_kwargs"),
            ("must_exist", "must_exist"),
        ],
        ignored: OF_A_HOOK,
    },
    Class {
        name: "girder_worker.docker.transforms.girder.GirderUploadVolumePathJobArtifact",
        kind: "GirderUploadVolumePathJobArtifact",
        members: &[
            ("_volumepath", "volumepath"),
            ("job_id", "job_id"),
            ("name", "name"),
            ("_upload_on_exception", "upload_on_exception"),
        ],
        ignored: OF_A_HOOK,
    },
];

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

const VOLUME: (&str, &str) = ("_volume", "volume");

const OF_A_PIPE: &[(&str, &str)] =
    &[("name", "name"), VOLUME, ("_container_path", "container_path"), ("_host_path", "host_path")];

const OF_A_TEMPORARY_VOLUME: &[&str] =
    &["_host_path", "_container_path", "mode", "_transformed", "_instance"];

/// `job` is Girder's whole record: what matters of it is in the message's headers.
const OF_A_HOOK: &[&str] = &["job", "output_file_path"];

const fn plain(name: &'static str, kind: &'static str) -> Class {
    Class { name, kind, members: &[], ignored: &[] }
}
