//! A job in Rust, without JSON: [`JobSpec::builder`](super::JobSpec::builder), and the parts that it
//! is given.
//!
//! Each part is one of Girder Worker's transforms, or of ours. Nothing is looked at before
//! [`JobBuilder::build`], which holds the whole to the same rules as a job document; its errors name
//! the place in the document that says the same. The sections are those of Girder Worker's manual.
//!
//! # Volumes
//!
//! ```
//! use gantline::JobSpec;
//! use gantline::spec::builder::{InVolume, Mount};
//!
//! let data = Mount::bind("/srv/data", "/mnt/data").mode("ro");
//! let job = JobSpec::builder("debian:12")
//!     .volume(&data)
//!     .arg("ls")
//!     .arg(&data) // becomes /mnt/data
//!     .arg(InVolume::new("in/a.csv").on(&data)) // becomes /mnt/data/in/a.csv
//!     .build()?;
//! # let json = r#"{"image": "debian:12", "volumes": ["/srv/data:/mnt/data:ro"], "container_args": ["ls",
//! #   {"type": "BindMountVolume", "host_path": "/srv/data", "container_path": "/mnt/data", "mode": "ro"},
//! #   {"type": "VolumePath", "filename": "in/a.csv", "volume":
//! #     {"type": "BindMountVolume", "host_path": "/srv/data", "container_path": "/mnt/data", "mode": "ro"}}]}"#;
//! # assert_eq!(job, JobSpec::from_json(json)?);
//! # Ok::<(), gantline::SpecError>(())
//! ```
//!
//! # Temporary volume
//!
//! Every run has one, and what does not say where it is, is there. Others have names.
//!
//! ```
//! use gantline::JobSpec;
//! use gantline::spec::builder::{InVolume, Mount};
//!
//! let scratch = Mount::temporary("scratch").host_dir("/fast/disk");
//! let job = JobSpec::builder("debian:12")
//!     .arg("sort")
//!     .arg("-T")
//!     .arg(&scratch)
//!     .arg("-o")
//!     .arg(InVolume::new("sorted.txt")) // in the default temporary volume
//!     .build()?;
//! # let json = r#"{"image": "debian:12", "container_args": ["sort", "-T",
//! #   {"type": "TemporaryVolume", "name": "scratch", "host_dir": "/fast/disk"}, "-o",
//! #   {"type": "VolumePath", "filename": "sorted.txt"}]}"#;
//! # assert_eq!(job, JobSpec::from_json(json)?);
//! # Ok::<(), gantline::SpecError>(())
//! ```
//!
//! # Downloading
//!
//! ```
//! use gantline::JobSpec;
//! use gantline::spec::builder::{Fetch, Mount};
//!
//! let scratch = Mount::temporary("scratch");
//! let job = JobSpec::builder("my/image")
//!     .arg(Fetch::file("6b02c2bf8ed649d13bc50b4f")) // becomes the file's path
//!     .arg(Fetch::item("6b02c2bf8ed649d13bc50b4e").on(&scratch)) // becomes a folder's
//!     .arg(Fetch::folder("6b02c2bf8ed649d13bc50b4d").named("in"))
//!     .build()?;
//! # let json = r#"{"image": "my/image", "container_args": [
//! #   {"type": "GirderFileIdToVolume", "id": "6b02c2bf8ed649d13bc50b4f"},
//! #   {"type": "GirderItemIdToVolume", "id": "6b02c2bf8ed649d13bc50b4e",
//! #    "volume": {"type": "TemporaryVolume", "name": "scratch"}},
//! #   {"type": "GirderFolderIdToVolume", "id": "6b02c2bf8ed649d13bc50b4d", "folder_name": "in"}]}"#;
//! # assert_eq!(job, JobSpec::from_json(json)?);
//! # Ok::<(), gantline::SpecError>(())
//! ```
//!
//! # Uploading
//!
//! ```
//! use gantline::JobSpec;
//! use gantline::spec::builder::{InVolume, ResultHook};
//! use serde_json::json;
//!
//! let out = InVolume::new("out.csv");
//! let job = JobSpec::builder("my/image")
//!     .arg("--output")
//!     .arg(out.clone())
//!     .hook(ResultHook::to_item(out, "6b02c2bf8ed649d13bc50b4e").mime_type("text/csv"))
//!     .hook(ResultHook::to_folder(InVolume::new("plots"), "6b02c2bf8ed649d13bc50b4d").optional())
//!     .hook(ResultHook::metadata("6b02c2bf8ed649d13bc50b4e", json!({"done": true})))
//!     .build()?;
//! # let json = r#"{"image": "my/image", "container_args": ["--output",
//! #   {"type": "VolumePath", "filename": "out.csv"}], "girder_result_hooks": [
//! #   {"type": "GirderUploadVolumePathToItem", "item_id": "6b02c2bf8ed649d13bc50b4e",
//! #    "volumepath": {"type": "VolumePath", "filename": "out.csv"},
//! #    "upload_kwargs": {"mimeType": "text/csv"}},
//! #   {"type": "GirderUploadVolumePathToFolder", "folder_id": "6b02c2bf8ed649d13bc50b4d",
//! #    "volumepath": {"type": "VolumePath", "filename": "plots"}, "must_exist": false},
//! #   {"type": "GirderItemMetadata", "item_id": "6b02c2bf8ed649d13bc50b4e", "metadata": {"done": true}}]}"#;
//! # assert_eq!(job, JobSpec::from_json(json)?);
//! # Ok::<(), gantline::SpecError>(())
//! ```
//!
//! # Bytes into the container
//!
//! ```
//! use gantline::JobSpec;
//! use gantline::spec::Secret;
//! use gantline::spec::builder::{Arg, Input, Pipe};
//!
//! let file = Input::girder_file("6b02c2bf8ed649d13bc50b4f");
//! let page = Input::url("https://data.example.org/b").header("X-Key", Secret::new("…"));
//! let job = JobSpec::builder("my/image")
//!     .arg(Arg::connect(file, Pipe::input("a"))) // becomes the pipe's path
//!     .arg(Arg::connect(page, Pipe::input("b")))
//!     .build()?;
//! # let json = r#"{"image": "my/image", "container_args": [
//! #   {"type": "Connect", "input": {"type": "GirderFileIdToStream", "id": "6b02c2bf8ed649d13bc50b4f"},
//! #    "output": {"type": "NamedInputPipe", "name": "a"}},
//! #   {"type": "Connect", "input": {"type": "UrlToStream", "url": "https://data.example.org/b",
//! #    "headers": {"X-Key": "…"}}, "output": {"type": "NamedInputPipe", "name": "b"}}]}"#;
//! # assert_eq!(job, JobSpec::from_json(json)?);
//! # Ok::<(), gantline::SpecError>(())
//! ```
//!
//! # Bytes out of the container
//!
//! ```
//! use gantline::JobSpec;
//! use gantline::spec::builder::{Arg, Input, Output, Pipe};
//!
//! let item = "6b02c2bf8ed649d13bc50b4e";
//! let job = JobSpec::builder("my/image")
//!     .arg(Arg::connect(Pipe::output("a"), Output::chunked_post("https://data.example.org/sink")))
//!     .arg(Arg::connect(Pipe::output("b"), Output::girder_item(item, "b.bin").size(1 << 20)))
//!     .stream(Input::container_stdout().fast(), Output::host_file("/var/log/job.log"))
//!     .build()?;
//! # let json = r#"{"image": "my/image", "container_args": [
//! #   {"type": "Connect", "input": {"type": "NamedOutputPipe", "name": "a"},
//! #    "output": {"type": "ChunkedTransferEncodingStream", "url": "https://data.example.org/sink"}},
//! #   {"type": "Connect", "input": {"type": "NamedOutputPipe", "name": "b"},
//! #    "output": {"type": "GirderStreamToItem", "item_id": "6b02c2bf8ed649d13bc50b4e", "name": "b.bin",
//! #               "size": 1048576}}],
//! #   "stream_connectors": [{"type": "Connect", "input": {"type": "ContainerStdOut", "fast": true},
//! #    "output": {"type": "HostFile", "path": "/var/log/job.log"}}]}"#;
//! # assert_eq!(job, JobSpec::from_json(json)?);
//! # Ok::<(), gantline::SpecError>(())
//! ```
//!
//! # Progress
//!
//! ```
//! use gantline::JobSpec;
//! use gantline::spec::Secret;
//! use gantline::spec::builder::Pipe;
//!
//! let job = JobSpec::builder("my/image")
//!     .arg(Pipe::progress()) // becomes the path that the container writes lines of JSON to
//!     .girder_job(
//!         "https://data.example.org/api/v1/job/6b02c2bf8ed649d13bc50b4c",
//!         [("Girder-Token", Secret::new("…"))],
//!     )
//!     .build()?;
//! # let json = r#"{"image": "my/image", "container_args": [{"type": "ProgressPipe"}], "girder_job":
//! #   {"url": "https://data.example.org/api/v1/job/6b02c2bf8ed649d13bc50b4c",
//! #    "headers": {"Girder-Token": "…"}}}"#;
//! # assert_eq!(job, JobSpec::from_json(json)?);
//! # Ok::<(), gantline::SpecError>(())
//! ```
//!
//! # Artifacts
//!
//! ```
//! use gantline::JobSpec;
//! use gantline::spec::builder::{InVolume, ResultHook};
//!
//! let log = InVolume::new("log.txt");
//! let job = JobSpec::builder("my/image")
//!     .arg("--log")
//!     .arg(log.clone())
//!     .hook(ResultHook::artifact(log).upload_on_exception())
//!     .build()?;
//! # let json = r#"{"image": "my/image", "container_args": ["--log",
//! #   {"type": "VolumePath", "filename": "log.txt"}], "girder_result_hooks": [
//! #   {"type": "GirderUploadVolumePathJobArtifact", "upload_on_exception": true,
//! #    "volumepath": {"type": "VolumePath", "filename": "log.txt"}}]}"#;
//! # assert_eq!(job, JobSpec::from_json(json)?);
//! # Ok::<(), gantline::SpecError>(())
//! ```

mod job;
mod part;

pub use job::JobBuilder;
pub use part::{Arg, Fetch, InVolume, Input, Mount, Output, Pipe, ResultHook};
