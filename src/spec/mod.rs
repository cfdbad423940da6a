//! What a job is: data, no I/O, no clock.
//!
//! A [`JobSpec`] is parsed once, by [`JobSpec::from_json`], into types that cannot be wrong: every
//! volume that is named exists, every `Connect` joins one source to one sink, every path inside a
//! volume is relative and stays in it. Nothing behind this module looks at the job document again,
//! and nothing in it knows which form the job arrived in: the JSON of [`JobSpec::from_json`],
//! Girder Worker's message ([`JobSpec::from_message`]), or Rust ([`JobSpec::builder`]).
//!
//! Girder Worker's words (transform, connector) live here and nowhere else. Who comes from there
//! reads [`girder_worker`].

pub mod builder;
mod connect;
mod docker_py;
mod document;
mod download;
mod error;
mod girder_job;
pub mod girder_worker;
mod hook;
mod json;
mod jsonpickle;
mod limits;
mod secret;
mod verify;
mod vocabulary;
mod volume;

pub use connect::{Connect, Direction, Fifo, FifoPlace, Sink, Source};
pub use docker_py::{ContainerOptions, Gpu, RunOptions};
pub use document::schema;
pub use download::{Download, Downloaded};
pub use error::{Hint, Place, Problem, SpecError};
pub use girder_job::{GirderJob, GirderSession};
pub use hook::{Hook, Metadata, UploadOptions};
#[cfg(feature = "worker")]
pub(crate) use json::{Fault, Node, Value};
#[cfg(feature = "worker")]
pub(crate) use jsonpickle::{Pickle, Pickled};
pub use secret::{HttpUrl, Secret};
pub use verify::Verify;
pub use volume::{BindMount, TemporaryVolume, Volume, VolumePath, VolumeRef};

use girder_job::moved;

/// One job: an image, what it is given, and where its results go.
///
/// It is made by a parser or by the builder, and cannot be put together otherwise: what it names is
/// there, and no two of its transfers share an end.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    image: String,
    pull: PullPolicy,
    verify: Option<Verify>,
    fast_stdout: bool,
    entrypoint: Option<Vec<String>>,
    container_args: Vec<Argument>,
    volumes: Vec<Volume>,
    remove_container: bool,
    stream_connectors: Vec<Connect>,
    container: ContainerOptions,
    result_hooks: Vec<Hook>,
    girder_job: Option<GirderJob>,
    girder_api_url: Option<String>,
    girder_client_token: Option<Secret>,
    warnings: Vec<String>,
}

impl JobSpec {
    /// A job that runs `image` with its own command and nothing else.
    fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            pull: PullPolicy::default(),
            verify: None,
            fast_stdout: false,
            entrypoint: None,
            container_args: Vec::new(),
            volumes: Vec::new(),
            remove_container: true,
            stream_connectors: Vec::new(),
            container: ContainerOptions::default(),
            result_hooks: Vec::new(),
            girder_job: None,
            girder_api_url: None,
            girder_client_token: None,
            warnings: Vec::new(),
        }
    }

    /// A job in Rust, without JSON; see [`builder`].
    pub fn builder(image: impl Into<String>) -> builder::JobBuilder {
        builder::JobBuilder::new(image.into())
    }

    /// Parses a job document.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place in the document, what was found there
    /// and what would have been right. What a later version will support is refused by name, never
    /// ignored. No error carries a token, a header's value or an address's query.
    ///
    /// ```
    /// use gantline::spec::{Argument, JobSpec};
    ///
    /// let job = JobSpec::from_json(r#"{"image": "debian:12", "container_args": ["echo", 1.0]}"#)?;
    /// assert_eq!(job.container_args()[1], Argument::Literal("1.0".to_owned()));
    ///
    /// let document = r#"{"image": "debian:12", "container_arg": []}"#;
    /// assert_eq!(
    ///     JobSpec::from_json(document).unwrap_err().to_string(),
    ///     "$.container_arg (line 1, column 41): a job has no `container_arg`; \
    ///      did you mean `container_args`?"
    /// );
    /// # Ok::<(), gantline::spec::SpecError>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        document::read(text)
    }

    /// Parses a message of Girder Worker's: what `docker_run.delay(…)` sends, as one JSON object
    /// with the `headers` and the decoded `body`.
    ///
    /// The body is JSON: what jsonpickle writes, or plain `[args, kwargs, embed]`. Any other (pickle,
    /// YAML) is the caller's to refuse, and compression the caller's to undo. Its members stay in
    /// their order, since a `py/id` counts objects; those of the headers may come in any, as AMQP's
    /// tables do. See [`girder_worker`] for what a message may hold.
    ///
    /// # Errors
    /// As [`JobSpec::from_json`]'s; the place is one in the message.
    pub fn from_message(text: &str) -> Result<Self, SpecError> {
        girder_worker::read(text)
    }

    /// Puts another address in the place of a Girder server's, where the job names that one: in
    /// [`girder_api_url`](Self::girder_api_url), and in the address of
    /// [`girder_job`](Self::girder_job). Where the job names another server, nothing changes.
    ///
    /// # Errors
    /// As [`JobSpec::from_json`]'s: `to` cannot be the address of a Girder API.
    pub fn move_girder(&mut self, from: &str, to: &str) -> Result<(), SpecError> {
        Self::new("none").set_girder(Some(to), None)?;
        let address = self.girder_api_url.as_deref().and_then(|url| moved(url, from, to));
        self.girder_api_url = address.or_else(|| self.girder_api_url.take());
        if let Some(job) = &mut self.girder_job {
            job.move_girder(from, to);
        }
        Ok(())
    }

    /// The image reference, as `docker run` takes it.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// Whether the image is pulled first. Default: [`PullPolicy::Always`], as `docker_run`'s.
    pub fn pull(&self) -> PullPolicy {
        self.pull
    }

    /// What the files that are put into volumes are held against. None: what the settings say.
    pub fn verify(&self) -> Option<Verify> {
        self.verify
    }

    /// Has the files that are put into volumes held against something else.
    pub fn set_verify(&mut self, verify: Verify) {
        self.verify = Some(verify);
    }

    /// Whether the container's output comes by FIFOs, past the engine.
    pub fn fast_stdout(&self) -> bool {
        self.fast_stdout
    }

    /// Has the container's output come by FIFOs, past the engine. What that changes is in the [manual].
    ///
    /// [manual]: crate::manual::performance
    pub fn set_fast_stdout(&mut self) {
        self.fast_stdout = true;
    }

    /// Replaces the image's entrypoint; an empty list removes it.
    pub fn entrypoint(&self) -> Option<&[String]> {
        self.entrypoint.as_deref()
    }

    /// What the container's command is given, in order.
    pub fn container_args(&self) -> &[Argument] {
        &self.container_args
    }

    /// Every volume but the default temporary one, in the order in which they were first named:
    /// those of `volumes`, then those that only a transform holds.
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// The volume that a part of this job means; `None` is the default temporary volume.
    pub fn volume(&self, volume: VolumeRef) -> Option<&Volume> {
        self.volumes.get(volume.listed()?)
    }

    /// Whether the container is removed when the run is over. Default: true.
    pub fn remove_container(&self) -> bool {
        self.remove_container
    }

    /// Transfers beside those in [`container_args`](Self::container_args).
    pub fn stream_connectors(&self) -> &[Connect] {
        &self.stream_connectors
    }

    /// Every `Connect` of the job: those in `container_args`, then `stream_connectors`.
    pub fn connects(&self) -> impl Iterator<Item = &Connect> {
        let in_arguments = self.container_args.iter().filter_map(|argument| match argument {
            Argument::Connect(connect) => Some(connect.as_ref()),
            _ => None,
        });
        in_arguments.chain(&self.stream_connectors)
    }

    /// docker-py's keywords.
    pub fn container(&self) -> &ContainerOptions {
        &self.container
    }

    /// What is done with results, in this order.
    pub fn result_hooks(&self) -> &[Hook] {
        &self.result_hooks
    }

    /// The job in Girder that is told status, log and progress.
    pub fn girder_job(&self) -> Option<&GirderJob> {
        self.girder_job.as_ref()
    }

    /// The Girder server of the job's files, when the document names one: an address without
    /// credentials or query.
    pub fn girder_api_url(&self) -> Option<&str> {
        self.girder_api_url.as_deref()
    }

    /// The token for that server.
    pub fn girder_client_token(&self) -> Option<&Secret> {
        self.girder_client_token.as_ref()
    }

    /// What its author should know: what a message says and no job can have.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Names another Girder server, or another token for it; with `None`, what the job says stays.
    ///
    /// # Errors
    /// As [`JobSpec::from_json`]'s, of `girder_api_url` and `girder_client_token`.
    pub fn set_girder(
        &mut self,
        api_url: Option<&str>,
        token: Option<&Secret>,
    ) -> Result<(), SpecError> {
        let said = Self::builder("none")
            .option("girder_api_url", api_url)
            .option("girder_client_token", token.map(Secret::expose))
            .build()?;
        self.girder_api_url = said.girder_api_url.or_else(|| self.girder_api_url.take());
        let token = said.girder_client_token;
        self.girder_client_token = token.or_else(|| self.girder_client_token.take());
        Ok(())
    }

    /// Every secret of the job, and every address that may hold one.
    pub(crate) fn secrets_mut(&mut self) -> (Vec<&mut Secret>, Vec<&mut HttpUrl>) {
        let mut secrets: Vec<&mut Secret> = self.girder_client_token.iter_mut().collect();
        let mut addresses = Vec::new();
        if let Some(job) = &mut self.girder_job {
            addresses.push(&mut job.url);
            secrets.extend(job.headers.values_mut());
        }
        let in_arguments = self.container_args.iter_mut().filter_map(|argument| match argument {
            Argument::Connect(connect) => Some(connect.as_mut()),
            _ => None,
        });
        for connect in in_arguments.chain(&mut self.stream_connectors) {
            let requests = [connect.source.request_mut(), connect.sink.request_mut()];
            for (url, headers) in requests.into_iter().flatten() {
                addresses.push(url);
                secrets.extend(headers.values_mut());
            }
        }
        (secrets, addresses)
    }
}

/// When the image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PullPolicy {
    /// Before every run (`true`).
    #[default]
    Always,
    /// Never (`false`): an image that is not there fails the run.
    Never,
    /// Only when the engine does not have it (`"if-not-present"`).
    IfNotPresent,
}

/// One argument of the container's command.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Argument {
    /// Passed as it is. Numbers were made strings as Python's `str` does.
    Literal(String),
    /// Becomes the path in the container at which the volume is mounted.
    Volume(VolumeRef),
    /// Becomes the path of a file or folder in a volume.
    VolumePath(VolumePath),
    /// Becomes the path of the FIFO; nothing is moved through it.
    Fifo(Fifo),
    /// Becomes the path of the FIFO in it (the sink's, if both ends are one; an empty string
    /// without one), and bytes are moved.
    Connect(Box<Connect>),
    /// Becomes the path in the container of what is downloaded.
    Download(Download),
    /// Becomes the paths of its parts, joined by commas: each is a volume, a path in one, or a
    /// download.
    CommaJoined(Vec<Self>),
    /// Becomes the address of the Girder server's API, with a slash at its end, as Girder Worker's.
    GirderApiUrl,
    /// Becomes the token for it: the container's other users can read it there.
    GirderToken,
}
