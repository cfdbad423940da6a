//! Whether a container gets a GPU, and what is tried when the engine has none.
//!
//! Engines since 19.03 take a device request for GPUs, older ones the runtime `nvidia`. What is
//! tried, in which order, is Girder Worker's; the engine says only at the start of a container that
//! it has no GPU. Pure.

use std::collections::VecDeque;

use serde_json::json;

use crate::docker::{CreateContainer, DockerError};
use crate::spec::{ContainerOptions, Gpu};

/// The label by which an image asks for a GPU, and its value.
pub(crate) const IMAGE_LABEL: (&str, &str) = ("com.nvidia.volumes.needed", "nvidia_driver");

/// What is still to be tried; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempts {
    now: Attempt,
    later: VecDeque<Attempt>,
    is_required: bool,
}

/// One way to make the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// As the job says.
    AsItIs,
    /// With a request for all GPUs, and the engine's usual runtime.
    Request,
    /// With the runtime `nvidia`.
    Runtime,
    /// With no GPU.
    Without,
}

impl Attempts {
    /// What to try for these options. `image_asks`: the image has [`IMAGE_LABEL`].
    pub(crate) fn new(options: &ContainerOptions, image_asks: bool) -> Self {
        use Attempt::{AsItIs, Request, Runtime, Without};
        let nvidia = options.runtime() == Some("nvidia");
        let attempts: &[Attempt] = match options.gpu() {
            // The job's own request says more than we could.
            Some(Gpu::Preferred) if options.has_device_requests() => &[AsItIs, Without],
            _ if options.has_device_requests() => &[AsItIs],
            Some(Gpu::Required) if nvidia => &[Request, Runtime],
            Some(Gpu::Required) => &[Request],
            Some(_) => &[Request, Runtime, Without],
            None if nvidia => &[Request, Runtime],
            None if image_asks && options.runtime().is_none() => &[Request, Runtime, Without],
            None => &[AsItIs],
        };
        let mut later: VecDeque<Attempt> = attempts.iter().copied().collect();
        let now = later.pop_front().unwrap_or(AsItIs);
        Self { now, later, is_required: options.gpu() == Some(Gpu::Required) }
    }

    /// Whether the options leave it to the image's label.
    pub(crate) fn depend_on_the_image(options: &ContainerOptions) -> bool {
        Self::new(options, true) != Self::new(options, false)
    }

    /// Whether nothing else is left to be tried.
    pub(crate) fn is_last(&self) -> bool {
        self.later.is_empty()
    }

    /// Whether a run without a GPU is none.
    pub(crate) fn is_required(&self) -> bool {
        self.is_required
    }

    /// Puts into a create what is tried now.
    pub(crate) fn apply(&self, create: &mut CreateContainer) {
        let host = &mut create.host_config.config;
        match self.now {
            Attempt::AsItIs => {}
            Attempt::Request => {
                host.shift_remove("Runtime");
                let all = json!({
                    "Driver": "", "Count": -1, "DeviceIDs": [], "Capabilities": [["gpu"]],
                    "Options": {},
                });
                host.insert("DeviceRequests".to_owned(), json!([all]));
            }
            Attempt::Runtime => {
                host.insert("Runtime".to_owned(), "nvidia".into());
            }
            Attempt::Without => {
                host.shift_remove("DeviceRequests");
                if host.get("Runtime").is_some_and(|runtime| runtime == "nvidia") {
                    host.shift_remove("Runtime");
                }
            }
        }
    }

    /// Goes on to what is tried next, after the engine has refused the container: what to tell the
    /// user. `None` if there is nothing, or if the refusal cannot be for want of a GPU.
    #[must_use]
    pub(crate) fn refused(&mut self, error: &DockerError) -> Option<String> {
        if !matches!(error, DockerError::Engine { .. })
            || error.is_not_found()
            || error.is_conflict()
            || error.is_transient()
        {
            return None;
        }
        self.now = self.later.pop_front()?;
        let then = match self.now {
            Attempt::Runtime => "trying the runtime nvidia",
            _ => "the container runs without one",
        };
        Some(format!("the engine gives the container no GPU, {then}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::docker::Call;
    use crate::spec::JobSpec;

    fn options(keywords: &[(&str, Value)]) -> ContainerOptions {
        let job = keywords.iter().fold(JobSpec::builder("i"), |job, (keyword, value)| {
            job.option(*keyword, value.clone())
        });
        job.build().unwrap().container().clone()
    }

    /// What `HostConfig` has of GPUs in each attempt.
    fn tried(keywords: &[(&str, Value)], image_asks: bool) -> Vec<String> {
        let options = options(keywords);
        let mut attempts = Attempts::new(&options, image_asks);
        let mut tried = Vec::new();
        loop {
            let mut create = CreateContainer::new("i", Vec::new());
            create.host_config.config = options.host_config();
            attempts.apply(&mut create);
            let host = &create.host_config.config;
            let driver = host
                .get("DeviceRequests")
                .map_or("-", |requests| if requests[0]["Driver"] == "" { "gpus" } else { "own" });
            let runtime = host.get("Runtime").and_then(Value::as_str).unwrap_or("-");
            tried.push(format!("{driver} {runtime}"));
            if attempts.refused(&refusal(500)).is_none() {
                assert!(attempts.is_last());
                return tried;
            }
        }
    }

    fn refusal(status: u16) -> DockerError {
        let call = Call { method: "POST", path: "/containers/create".to_owned() };
        let message = "could not select device driver \"\" with capabilities: [[gpu]]".to_owned();
        DockerError::Engine { call, status, message }
    }

    #[test]
    fn what_is_tried_is_girder_workers() {
        let own = json!([{"driver": "nvidia", "count": 1}]);
        assert_eq!(tried(&[], false), ["- -"]);
        assert_eq!(tried(&[], true), ["gpus -", "- nvidia", "- -"]);
        assert_eq!(tried(&[("runtime", json!("nvidia"))], false), ["gpus -", "- nvidia"]);
        assert_eq!(tried(&[("runtime", json!("runc"))], true), ["- runc"]);
        assert_eq!(tried(&[("device_requests", own)], true), ["own -"]);
    }

    #[test]
    fn a_gpu_is_preferred_or_required_by_the_job() {
        let own = ("device_requests", json!([{"driver": "nvidia", "count": 1}]));
        let preferred = ("gpu", json!("preferred"));
        let required = ("gpu", json!("required"));
        assert_eq!(tried(std::slice::from_ref(&preferred), false), ["gpus -", "- nvidia", "- -"]);
        assert_eq!(tried(&[preferred, own.clone()], false), ["own -", "- -"]);
        assert_eq!(tried(std::slice::from_ref(&required), false), ["gpus -"]);
        assert_eq!(tried(&[required, own], true), ["own -"]);
    }

    #[test]
    fn an_error_that_is_not_about_gpus_ends_the_attempts() {
        for status in [404, 409, 503] {
            let mut attempts = Attempts::new(&options(&[("gpu", json!("preferred"))]), false);
            assert_eq!(attempts.refused(&refusal(status)), None, "{status}");
        }
    }
}
