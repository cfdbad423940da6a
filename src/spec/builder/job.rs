//! The job as a whole.

use std::fmt;

use serde_json::{Map, Value, json};

use super::part::{Arg, Input, Mount, Output, ResultHook};
use crate::spec::{JobSpec, PullPolicy, Secret, SpecError, Verify};

/// A job that is being put together.
///
/// ```
/// use gantline::JobSpec;
///
/// let error = JobSpec::builder("debian:12").option("tty", true).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "$.tty: `tty` cannot be set: a terminal would mix standard output and error, and change their bytes"
/// );
/// ```
#[derive(Clone)]
#[must_use]
pub struct JobBuilder {
    document: Map<String, Value>,
}

impl JobBuilder {
    pub(in crate::spec) fn new(image: String) -> Self {
        Self { document: Map::from_iter([("image".to_owned(), Value::String(image))]) }
    }

    /// When the image is pulled.
    pub fn pull(self, pull: PullPolicy) -> Self {
        let value = match pull {
            PullPolicy::Always => json!(true),
            PullPolicy::Never => json!(false),
            PullPolicy::IfNotPresent => json!("if-not-present"),
        };
        self.option("pull_image", value)
    }

    /// What the files that are put into volumes are held against.
    pub fn verify(self, verify: Verify) -> Self {
        self.option("verify", json!(verify.as_str()))
    }

    /// Has the container's output come by FIFOs, past the engine.
    pub fn fast_stdout(self) -> Self {
        self.option("fast_stdout", true)
    }

    /// Replaces the image's entrypoint; an empty list removes it.
    pub fn entrypoint<T: Into<String>>(self, program: impl IntoIterator<Item = T>) -> Self {
        let program: Vec<String> = program.into_iter().map(Into::into).collect();
        self.option("entrypoint", program)
    }

    /// Adds an argument of the container's command.
    pub fn arg(self, argument: impl Into<Arg>) -> Self {
        self.push("container_args", argument.into().0)
    }

    /// Adds arguments of the container's command.
    pub fn args<T: Into<Arg>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Mounts a volume; those that other parts hold are mounted anyway.
    pub fn volume(self, volume: &Mount) -> Self {
        self.push("volumes", volume.0.clone())
    }

    /// Keeps the container when the run is over.
    pub fn keep_container(self) -> Self {
        self.option("remove_container", false)
    }

    /// Moves bytes from one end to the other, without an argument that says so.
    pub fn stream(self, input: impl Into<Input>, output: impl Into<Output>) -> Self {
        self.push("stream_connectors", Arg::connect(input, output).0)
    }

    /// Does something with results when the container has exited.
    pub fn hook(self, hook: ResultHook) -> Self {
        self.push("girder_result_hooks", hook.0)
    }

    /// The Girder server of the job's files, and a token for it.
    pub fn girder(self, api_url: impl Into<String>, token: &Secret) -> Self {
        self.option("girder_api_url", api_url.into()).option("girder_client_token", token.expose())
    }

    /// Where status, log and progress are sent: the job's own address, and what is sent with every
    /// update.
    pub fn girder_job<T: Into<String>>(
        self,
        url: impl Into<String>,
        headers: impl IntoIterator<Item = (T, Secret)>,
    ) -> Self {
        let header = |(name, value): (T, Secret)| (name.into(), json!(value.expose()));
        let headers: Map<String, Value> = headers.into_iter().map(header).collect();
        self.option("girder_job", json!({"url": url.into(), "headers": headers}))
    }

    /// Any member of the job document, such as one of docker-py's keywords.
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.document.insert(name.into(), value.into());
        self
    }

    /// The job.
    ///
    /// # Errors
    /// As [`JobSpec::from_json`]'s, of the document that says the same.
    pub fn build(self) -> Result<JobSpec, SpecError> {
        let document = Value::Object(self.document).to_string();
        JobSpec::from_json(&document).map_err(SpecError::without_text)
    }

    fn push(mut self, list: &str, item: Value) -> Self {
        let items = self.document.entry(list).or_insert_with(|| json!([]));
        match items {
            Value::Array(items) => items.push(item),
            // It was set to something else by `option`.
            other => *other = json!([other.take(), item]),
        }
        self
    }
}

impl fmt::Debug for JobBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<&String> = self.document.keys().collect();
        f.debug_struct("JobBuilder").field("members", &members).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::builder::{Fetch, InVolume, Pipe};

    #[test]
    fn a_builder_says_what_a_document_says() {
        let job = JobSpec::builder("i")
            .pull(PullPolicy::IfNotPresent)
            .entrypoint(["sh", "-c"])
            .args(["a", "b"])
            .arg(3)
            .arg(2.5)
            .arg(Arg::girder_api_url())
            .arg(Arg::girder_token())
            .arg(Mount::default_temporary())
            .arg(Fetch::file("5f").named("a/b").direct("/store/b"))
            .arg(Pipe::output("p").at("/c", "/h"))
            .keep_container()
            .girder("http://h/api/v1", &Secret::new("t"))
            .hook(ResultHook::artifact(InVolume::new("x")).job_id("5c").named("n"))
            .hook(ResultHook::metadata_file("5e", InVolume::new("m.json")))
            .build()
            .unwrap();
        let document = r#"{"image": "i", "pull_image": "if-not-present", "entrypoint": ["sh", "-c"],
            "container_args": ["a", "b", 3, 2.5, {"type": "GirderApiUrl"}, {"type": "GirderToken"},
              {"type": "TemporaryVolume.default"},
              {"type": "DirectGirderFileIdToVolume", "id": "5f", "filename": "a/b",
               "direct_file_path": "/store/b"},
              {"type": "NamedOutputPipe", "name": "p", "container_path": "/c", "host_path": "/h"}],
            "remove_container": false, "girder_api_url": "http://h/api/v1", "girder_client_token": "t",
            "girder_result_hooks": [
              {"type": "GirderUploadVolumePathJobArtifact", "job_id": "5c", "name": "n",
               "volumepath": {"type": "VolumePath", "filename": "x"}},
              {"type": "GirderItemMetadata", "item_id": "5e",
               "metadata": {"type": "VolumePath", "filename": "m.json"}}]}"#;
        assert_eq!(job, JobSpec::from_json(document).unwrap());
    }

    #[test]
    fn what_a_document_may_not_say_a_builder_may_not_either() {
        let error = |builder: JobBuilder| builder.build().unwrap_err().to_string();
        assert_eq!(
            error(JobSpec::builder("i").arg(InVolume::new("../x"))),
            "$.container_args[0].filename: found the string \"../x\", expected a relative path without `..`"
        );
        let late = error(JobSpec::builder("i").option("volumes", 1).volume(&Mount::temporary("t")));
        assert!(late.starts_with("$.volumes[0]: found the number 1"), "{late}");
    }

    #[test]
    fn a_builder_and_its_parts_show_no_secret() {
        let input = Input::url("http://h/?SECRET").header("A", Secret::new("SECRET"));
        let shown = format!("{input:?} {:?}", Arg::connect(input.clone(), Pipe::input("p")));
        let builder = JobSpec::builder("i")
            .girder("http://h", &Secret::new("SECRET"))
            .stream(input, Pipe::input("p"));
        let shown = format!("{shown} {builder:?}");
        assert!(!shown.contains("SECRET") && shown.contains("UrlToStream"), "{shown}");
    }
}
