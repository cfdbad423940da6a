//! What a job is put together of: each part is an object of the job document.

use std::fmt;

use serde_json::{Value, json};

use crate::spec::Secret;

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        #[must_use]
        pub struct $name(pub(super) Value);

        impl fmt::Debug for $name {
            /// What it is, without its members: there may be secrets among them.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let kind = self.0.get("type").and_then(Value::as_str).unwrap_or("…");
                f.debug_tuple(stringify!($name)).field(&kind).finish()
            }
        }
    )*};
}

macro_rules! with_members {
    ($($name:ident)*) => {$(
        impl $name {
            fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
                self.0[member] = value.into();
                self
            }
        }
    )*};
}

parts! {
    /// A volume.
    Mount
    /// A file or folder in a volume; as an argument its path in the container.
    InVolume
    /// A FIFO between host and container; as an argument its path in the container.
    Pipe
    /// Where bytes come from.
    Input
    /// Where bytes go.
    Output
    /// What is downloaded into a volume; as an argument its path in the container.
    Fetch
    /// What is done with results.
    ResultHook
    /// An argument of the container's command.
    Arg
}

with_members!(Mount InVolume Pipe Output Fetch ResultHook);

impl Mount {
    /// A path of the host, or an engine's volume, at a path in the container (`BindMountVolume`).
    pub fn bind(host_path: impl Into<String>, container_path: impl Into<String>) -> Self {
        Self(json!({"type": "BindMountVolume", "host_path": host_path.into(),
                    "container_path": container_path.into()}))
    }

    /// A new directory, which is removed after the run (`TemporaryVolume`). One name is one volume.
    pub fn temporary(name: impl Into<String>) -> Self {
        Self(json!({"type": "TemporaryVolume", "name": name.into()}))
    }

    /// The temporary volume that every run has (`TemporaryVolume.default`).
    pub fn default_temporary() -> Self {
        Self(json!({"type": "TemporaryVolume.default"}))
    }

    /// docker's mode of a bind mount, such as `ro`.
    pub fn mode(self, mode: impl Into<String>) -> Self {
        self.with("mode", mode.into())
    }

    /// The folder of the host in which a temporary volume is made.
    pub fn host_dir(self, path: impl Into<String>) -> Self {
        self.with("host_dir", path.into())
    }
}

impl InVolume {
    /// A relative path in the default temporary volume (`VolumePath`).
    pub fn new(filename: impl Into<String>) -> Self {
        Self(json!({"type": "VolumePath", "filename": filename.into()}))
    }

    /// In another volume.
    pub fn on(self, volume: &Mount) -> Self {
        self.with("volume", volume.0.clone())
    }
}

impl Pipe {
    /// One that the container reads (`NamedInputPipe`).
    pub fn input(name: impl Into<String>) -> Self {
        Self(json!({"type": "NamedInputPipe", "name": name.into()}))
    }

    /// One that the container writes (`NamedOutputPipe`).
    pub fn output(name: impl Into<String>) -> Self {
        Self(json!({"type": "NamedOutputPipe", "name": name.into()}))
    }

    /// One that the container writes its progress to (`ProgressPipe`).
    pub fn progress() -> Self {
        Self(json!({"type": "ProgressPipe"}))
    }

    /// In a volume that is not the default temporary one.
    pub fn on(self, volume: &Mount) -> Self {
        self.with("volume", volume.0.clone())
    }

    /// In a folder that container and host both have.
    pub fn at(self, container_path: impl Into<String>, host_path: impl Into<String>) -> Self {
        self.with("container_path", container_path.into()).with("host_path", host_path.into())
    }
}

impl Input {
    /// A file in Girder (`GirderFileIdToStream`).
    pub fn girder_file(id: impl Into<String>) -> Self {
        Self(json!({"type": "GirderFileIdToStream", "id": id.into()}))
    }

    /// An HTTP GET (`UrlToStream`).
    pub fn url(url: impl Into<String>) -> Self {
        Self(json!({"type": "UrlToStream", "url": url.into()}))
    }

    /// A header of that GET.
    pub fn header(mut self, name: impl Into<String>, value: Secret) -> Self {
        add_header(&mut self.0, name.into(), &value);
        self
    }

    /// A file of the host (`HostFileToStream`).
    pub fn host_file(path: impl Into<String>) -> Self {
        Self(json!({"type": "HostFileToStream", "path": path.into()}))
    }

    /// The container's standard output (`ContainerStdOut`).
    pub fn container_stdout() -> Self {
        Self(json!({"type": "ContainerStdOut"}))
    }

    /// The container's standard error (`ContainerStdErr`).
    pub fn container_stderr() -> Self {
        Self(json!({"type": "ContainerStdErr"}))
    }
}

impl Output {
    /// Our own standard output (`HostStdOut`).
    pub fn host_stdout() -> Self {
        Self(json!({"type": "HostStdOut"}))
    }

    /// Our own standard error (`HostStdErr`).
    pub fn host_stderr() -> Self {
        Self(json!({"type": "HostStdErr"}))
    }

    /// A file of the host, which appears under its name when it is whole (`HostFile`).
    pub fn host_file(path: impl Into<String>) -> Self {
        Self(json!({"type": "HostFile", "path": path.into()}))
    }

    /// An HTTP POST with a chunked body (`ChunkedTransferEncodingStream`).
    pub fn chunked_post(url: impl Into<String>) -> Self {
        Self(json!({"type": "ChunkedTransferEncodingStream", "url": url.into()}))
    }

    /// A header of that POST.
    pub fn header(mut self, name: impl Into<String>, value: Secret) -> Self {
        add_header(&mut self.0, name.into(), &value);
        self
    }

    /// A new file in an item of Girder (`GirderStreamToItem`), if the container succeeds.
    pub fn girder_item(item_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self(json!({"type": "GirderStreamToItem", "item_id": item_id.into(), "name": name.into()}))
    }

    /// The size of that file in bytes, if it is known: then it is uploaded while it is written.
    pub fn size(self, bytes: u64) -> Self {
        self.with("size", bytes)
    }
}

impl Fetch {
    /// A file (`GirderFileIdToVolume`).
    pub fn file(id: impl Into<String>) -> Self {
        Self(json!({"type": "GirderFileIdToVolume", "id": id.into()}))
    }

    /// The files of an item (`GirderItemIdToVolume`).
    pub fn item(id: impl Into<String>) -> Self {
        Self(json!({"type": "GirderItemIdToVolume", "id": id.into()}))
    }

    /// A folder with all that is in it (`GirderFolderIdToVolume`).
    pub fn folder(id: impl Into<String>) -> Self {
        Self(json!({"type": "GirderFolderIdToVolume", "id": id.into()}))
    }

    /// Into another volume than the default temporary one.
    pub fn on(self, volume: &Mount) -> Self {
        self.with("volume", volume.0.clone())
    }

    /// What the file or the folder is called there, in place of its name in Girder.
    pub fn named(self, name: impl Into<String>) -> Self {
        let is_folder = self.0["type"] == "GirderFolderIdToVolume";
        self.with(if is_folder { "folder_name" } else { "filename" }, name.into())
    }

    /// A path at which this host may have the file: mounted, if it can be read
    /// (`DirectGirderFileIdToVolume`).
    pub fn direct(self, path: impl Into<String>) -> Self {
        self.with("type", "DirectGirderFileIdToVolume").with("direct_file_path", path.into())
    }
}

impl ResultHook {
    /// Uploads to an item (`GirderUploadVolumePathToItem`).
    pub fn to_item(path: InVolume, item_id: impl Into<String>) -> Self {
        Self(json!({"type": "GirderUploadVolumePathToItem", "volumepath": path.0,
                    "item_id": item_id.into()}))
    }

    /// Uploads to a folder (`GirderUploadVolumePathToFolder`).
    pub fn to_folder(path: InVolume, folder_id: impl Into<String>) -> Self {
        Self(json!({"type": "GirderUploadVolumePathToFolder", "volumepath": path.0,
                    "folder_id": folder_id.into()}))
    }

    /// Attaches to the job in Girder (`GirderUploadVolumePathJobArtifact`).
    pub fn artifact(path: InVolume) -> Self {
        Self(json!({"type": "GirderUploadVolumePathJobArtifact", "volumepath": path.0}))
    }

    /// Merges values into an item's metadata (`GirderItemMetadata`). They are an object; one whose
    /// `type` is `VolumePath` is what [`ResultHook::metadata_file`] says.
    pub fn metadata(item_id: impl Into<String>, values: impl Into<Value>) -> Self {
        Self(json!({"type": "GirderItemMetadata", "item_id": item_id.into(),
                    "metadata": values.into()}))
    }

    /// Merges the JSON object in a file into an item's metadata (`GirderItemMetadata`).
    pub fn metadata_file(item_id: impl Into<String>, file: InVolume) -> Self {
        Self::metadata(item_id, file.0)
    }

    /// Deletes what was uploaded.
    pub fn delete_file(self) -> Self {
        self.with("delete_file", true)
    }

    /// Does it also after a run that failed or was cancelled.
    pub fn upload_on_exception(self) -> Self {
        self.with("upload_on_exception", true)
    }

    /// It is no error if there is nothing to upload.
    pub fn optional(self) -> Self {
        self.with("must_exist", false)
    }

    /// Handed to Girder's event handlers with an upload.
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.0["upload_kwargs"]["reference"] = Value::String(reference.into());
        self
    }

    /// The type of what is uploaded.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.0["upload_kwargs"]["mimeType"] = Value::String(mime_type.into());
        self
    }

    /// What an artifact is called.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.with("name", name.into())
    }

    /// The job that an artifact is attached to, if it is not the run's own.
    pub fn job_id(self, id: impl Into<String>) -> Self {
        self.with("job_id", id.into())
    }
}

impl Arg {
    /// Streams from one end to the other; becomes the path of the pipe among them (`Connect`).
    pub fn connect(input: impl Into<Input>, output: impl Into<Output>) -> Self {
        Self(json!({"type": "Connect", "input": input.into().0, "output": output.into().0}))
    }

    /// Becomes the address of the Girder server's API (`GirderApiUrl`).
    pub fn girder_api_url() -> Self {
        Self(json!({"type": "GirderApiUrl"}))
    }

    /// Becomes the token for it (`GirderToken`).
    pub fn girder_token() -> Self {
        Self(json!({"type": "GirderToken"}))
    }
}

macro_rules! from {
    ($($from:ty => $($to:ty),*;)*) => {$($(
        impl From<$from> for $to {
            fn from(part: $from) -> Self {
                Self(part.0)
            }
        }
    )*)*};
}

from! {
    Mount => Arg;
    InVolume => Arg;
    Fetch => Arg;
    Pipe => Arg, Input, Output;
}

impl From<&Mount> for Arg {
    fn from(volume: &Mount) -> Self {
        Self(volume.0.clone())
    }
}

macro_rules! literals {
    ($($literal:ty),*) => {$(
        impl From<$literal> for Arg {
            fn from(literal: $literal) -> Self {
                Self(json!(literal))
            }
        }
    )*};
}

literals!(&str, String, &String, i32, i64, u32, u64, usize, f64);

fn add_header(part: &mut Value, name: String, value: &Secret) {
    part["headers"][name] = Value::String(value.expose().to_owned());
}
