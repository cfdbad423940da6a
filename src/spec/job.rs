//! One job.

use super::argument::Argument;
use super::connect::Connect;
use super::docker_py::ContainerOptions;
use super::girder_job::GirderJob;
use super::hook::Hook;
use super::pull_policy::PullPolicy;
use super::secret::{HttpUrl, Secret};
use super::verify::Verify;
use super::volume::{Volume, VolumeRef};

/// One job: an image, what it is given, and where its results go.
///
/// It is made by a parser or by the builder, and cannot be put together otherwise: what it names is
/// there, and no two of its transfers share an end.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    pub(super) image: String,
    pub(super) pull: PullPolicy,
    pub(super) verify: Option<Verify>,
    pub(super) fast_stdout: bool,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) container_args: Vec<Argument>,
    pub(super) volumes: Vec<Volume>,
    pub(super) remove_container: bool,
    pub(super) stream_connectors: Vec<Connect>,
    pub(super) container: ContainerOptions,
    pub(super) result_hooks: Vec<Hook>,
    pub(super) girder_job: Option<GirderJob>,
    pub(super) girder_api_url: Option<String>,
    pub(super) girder_client_token: Option<Secret>,
    pub(super) warnings: Vec<String>,
}

impl JobSpec {
    /// A job that runs `image` with its own command and nothing else.
    pub(super) fn new(image: impl Into<String>) -> Self {
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
