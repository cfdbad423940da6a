//! Job documents, put together piece by piece.
//!
//! ```ignore
//! let run = Job::script("sha256sum < $1").arg(connect(input, named_input_pipe("in"))).finish();
//! ```

use std::path::Path;

use serde_json::{Value, json};

use super::command::{Finished, Invocation};
use super::girder::{Girder, Stored};

/// A job document.
#[derive(Debug, Clone)]
pub(crate) struct Job(Value);

impl Job {
    /// Gives the tests' image these arguments. It shares the host's network: one of its own
    /// takes an engine half of a start.
    pub(crate) fn program(arguments: &[&str]) -> Self {
        Self(json!({
            "image": "gantline-test:busybox",
            "pull_image": false,
            "network_mode": "host",
            "container_args": arguments,
            "volumes": [],
            "stream_connectors": [],
        }))
    }

    /// Runs a shell script. What is added with [`arg`](Self::arg) is `$1`, `$2`, … in it.
    pub(crate) fn script(text: &str) -> Self {
        Self::program(&["sh", "-c", text, "sh"])
    }

    /// Adds an argument.
    pub(crate) fn arg(self, argument: impl Into<Value>) -> Self {
        self.push("container_args", argument.into())
    }

    /// Adds an element of `stream_connectors`.
    pub(crate) fn stream(self, input: Value, output: Value) -> Self {
        self.push("stream_connectors", connect(input, output))
    }

    /// Adds a volume.
    pub(crate) fn volume(self, volume: impl Into<Value>) -> Self {
        self.push("volumes", volume.into())
    }

    /// Mounts a folder of the host, for reading and writing.
    pub(crate) fn mount(self, host_path: &Path, container_path: &str) -> Self {
        self.volume(bind_mount(host_path, container_path))
    }

    /// Names the Girder server and the token for it.
    pub(crate) fn girder(self, girder: &Girder) -> Self {
        self.set("girder_api_url", girder.api()).set("girder_client_token", girder.token())
    }

    /// Sets a member of the document.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    /// The document.
    pub(crate) fn document(&self) -> &Value {
        &self.0
    }

    /// `gantline run` on it.
    pub(crate) fn invocation(&self) -> Invocation {
        Invocation::job(&self.0)
    }

    /// Runs it to its end.
    pub(crate) fn finish(&self) -> Finished {
        self.invocation().finish()
    }

    fn push(mut self, list: &str, value: Value) -> Self {
        self.0[list].as_array_mut().unwrap().push(value);
        self
    }
}

pub(crate) fn connect(input: Value, output: Value) -> Value {
    json!({"type": "Connect", "input": input, "output": output})
}

pub(crate) fn bind_mount(host_path: &Path, container_path: &str) -> Value {
    json!({"type": "BindMountVolume", "host_path": host_path, "container_path": container_path})
}

pub(crate) fn named_input_pipe(name: &str) -> Value {
    json!({"type": "NamedInputPipe", "name": name})
}

pub(crate) fn named_output_pipe(name: &str) -> Value {
    json!({"type": "NamedOutputPipe", "name": name})
}

pub(crate) fn girder_file(file: &Stored) -> Value {
    json!({"type": "GirderFileIdToStream", "id": file.id})
}

pub(crate) fn url(url: &str) -> Value {
    json!({"type": "UrlToStream", "url": url})
}

pub(crate) fn host_file_to_stream(path: &Path) -> Value {
    json!({"type": "HostFileToStream", "path": path})
}

pub(crate) fn host_file(path: &Path) -> Value {
    json!({"type": "HostFile", "path": path})
}

pub(crate) fn end(kind: &str) -> Value {
    json!({ "type": kind })
}
