//! Coming from Girder Worker.
//!
//! What `docker_run` did, a job document does; its keys are `docker_run`'s parameters, and an object
//! whose `type` is a class's name is that transform. [`builder`](super::builder) says the same in
//! Rust. And nothing need be written anew: the message that `docker_run.delay(…)` sends is a job
//! itself, see [below](#the-message).
//!
//! | What you wrote in Python | What you write here | What differs, and why |
//! |---|---|---|
//! | `docker_run('debian:12', …)` | `{"image": "debian:12", …}` | A key that is not known is an error with its place and the nearest known one; it was handed to docker-py, or lost. |
//! | `pull_image=True` | `"pull_image": true` | The same, and pulled while the downloads run. |
//! | `pull_image='if-not-present'` | `"pull_image": "if-not-present"` | The same. |
//! | `entrypoint='sh'`, `['sh', '-c']` | the same | A string is one program, spaces and all. |
//! | `container_args=['-n', 3]` | `"container_args": ["-n", 3]` | Numbers become what Python's `str` makes of them. |
//! | `volumes={'/a': {'bind': '/b', 'mode': 'ro'}}` | the same | docker-py's list of strings is taken too. Two volumes on one path are an error: one hid the other. |
//! | `volumes=[BindMountVolume('/a', '/b')]` | `[{"type": "BindMountVolume", "host_path": "/a", "container_path": "/b"}]` | A volume that only a transform holds is mounted too; it was not, and the path led nowhere. |
//! | `TemporaryVolume(host_dir='/fast')` | `{"type": "TemporaryVolume", "name": "t", "host_dir": "/fast"}` | One *object* was one volume; here one *name* is. |
//! | `TemporaryVolume.default` | `{"type": "TemporaryVolume.default"}`, or no `volume` at all | The same. The directory is not sticky, so that FIFOs in it work for every user of the image. |
//! | `VolumePath('out.csv', volume=v)` | `{"type": "VolumePath", "filename": "out.csv", "volume": "t"}` | `..` is refused as absolute paths were: it led out of the volume. |
//! | `GirderFileIdToVolume(id, filename='a')` | `{"type": "GirderFileIdToVolume", "id": "…", "filename": "a"}` | Up to four downloads at once, under a temporary name until they are whole; size and sha512 are checked. |
//! | `GirderItemIdToVolume(id)` | `{"type": "GirderItemIdToVolume", "id": "…"}` | `item_name`, which did nothing, is an error. |
//! | `GirderFolderIdToVolume(id, folder_name='in')` | `{"type": "GirderFolderIdToVolume", "id": "…", "folder_name": "in"}` | Names that are unsafe or collide are changed, and reported. |
//! | `DirectGirderFileIdToVolume(id, direct_file_path=p)` | `{"type": "DirectGirderFileIdToVolume", "id": "…", "direct_file_path": "/…"}` | Two files of one name are both mounted; the engine refused the second. While we run in a container ourselves the engine is told its own path of the file. |
//! | `Connect(GirderFileIdToStream(id), NamedInputPipe('in'))` | `{"type": "Connect", "input": {"type": "GirderFileIdToStream", "id": "…"}, "output": {"type": "NamedInputPipe", "name": "in"}}` | Every byte arrives or the run fails; a full pipe dropped bytes. A download that breaks off goes on where it was. A container that reads only the beginning (`head`) is no error: its exit code decides. |
//! | – | `{"type": "UrlToStream", "url": "…"}`, `{"type": "HostFileToStream", "path": "…"}` as `input` | New. |
//! | `Connect(NamedOutputPipe('out'), HostStdOut())` | the same | The end of one writer is not the end of the pipe: the next one is read too. |
//! | `Connect(NamedOutputPipe('out'), ChunkedTransferEncodingStream(url, headers))` | the same | A redirect is an error that says so, and a refusal keeps the server's message. |
//! | – | `{"type": "GirderStreamToItem", "item_id": "…", "name": "…"}`, `{"type": "HostFile", "path": "…"}` as `output` | New: an upload whose size is not known was not possible. Say `size` if you know it, and the bytes go to Girder while the container writes. It is a file only when the container has succeeded. |
//! | `stream_connectors=[Connect(ContainerStdOut(), …)]` | the same | Standard output is bytes, and all of them; what was not UTF-8 was changed, and lines were lost or came twice. Output that goes anywhere but to `HostStdOut`, `HostStdErr` is data: the engine is not asked to log it too (`docker logs`), if the container is removed and `log_config` says nothing. |
//! | `ProgressPipe()` | `{"type": "ProgressPipe"}` | A line that cannot be read is counted, not fatal. |
//! | `GirderApiUrl()`, `GirderToken()` | `{"type": "GirderApiUrl"}`, `{"type": "GirderToken"}` | The same; this is the only way for a token into the container's arguments. |
//! | `girder_result_hooks=[GirderUploadVolumePathToItem(VolumePath('out'), item)]` | `"girder_result_hooks": [{"type": "GirderUploadVolumePathToItem", "volumepath": {"type": "VolumePath", "filename": "out"}, "item_id": "…"}]` | Links are not followed out of the volume; FIFOs, sockets and devices are passed over with a warning. |
//! | `GirderUploadVolumePathToFolder(path, folder, delete_file=True, upload_kwargs={'reference': r}, must_exist=False)` | the same members | `upload_on_exception` is for every upload, not only for artifacts. |
//! | `GirderUploadVolumePathJobArtifact(path, upload_on_exception=True)` | the same members | The job is that of `girder_job`. |
//! | `GirderItemMetadata(item)` | `{"type": "GirderItemMetadata", "item_id": "…", "metadata": …}` | It merged the task's result, and `docker_run` has none: say the values, or a `VolumePath` to a JSON file that the container wrote. |
//! | `environment={…}`, `mem_limit='1g'`, … | the same | docker-py's keywords. `tty`, `detach` are an error, where they were passed over: a terminal would mix and change the streams. |
//! | `remove_container=False` | `"remove_container": false` | The same. |
//! | what Girder calls `jobInfoSpec` | `"girder_job": {"url": "…", "headers": {…}}` | A log update that fails does not fail the run. |
//! | the request's user and server | `"girder_api_url"`, `"girder_client_token"`, or the command's environment | Tokens are in no log, label, report or error. |
//!
//! # The message
//!
//! [`JobSpec::from_message`](super::JobSpec::from_message), `gantline run --message FILE` and
//! `gantline check --message FILE` take what Celery carries: one JSON object with `headers` and the
//! decoded `body`. Its objects are written by jsonpickle; nothing is made of a class, there is a
//! fixed list of those that mean something, and any other is an error that names class and place.
//! [`TASKS`] are the tasks that can be run.
//!
//! - The transforms' own `gc` says server and token; the headers' token, which may only create jobs,
//!   is the last resort. Transforms of two servers in one message are an error.
//! - An attribute that is not known is an error unless it says nothing (`null`, `false`, empty): the
//!   versions of Girder Worker differ in them.
//! - docker-py's own objects (`Ulimit`, `DeviceRequest`, `Mount`, `LogConfig`, `Healthcheck`) are the
//!   dictionaries that they are.
//! - `tty` and `detach` are passed over, as Girder Worker does.
//! - Of `girder_client_session_kwargs`, `headers`, `verify`, `cert` and `proxies` are for the updates of
//!   the job in Girder, as in Girder Worker; files are the worker's. Anything else is a warning, and so
//!   is a Girder that is not verified.
//! - A `TemporaryVolume` that is named more than once is called `py/id N`; in a hook, which is a
//!   pickle of its own, it is another one, as in Girder Worker.

mod classes;
mod message;
mod python;
mod session;

#[cfg(feature = "worker")]
pub(crate) use self::session::{SESSION, set as set_session};
#[cfg(test)]
mod tests;

pub(super) use message::read;

/// The tasks whose messages are jobs: Girder Worker's, and Slicer CLI Web's.
pub const TASKS: &[&str] = &[
    "girder_worker.docker.tasks.docker_run",
    "slicer_cli_web.girder_worker_plugin.direct_docker_run.run",
];
