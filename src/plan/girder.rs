//! The part of a plan that is put into volumes from Girder, and taken out of them to it.

use super::planner::{Planner, place};
use super::{GirderArgument, PlanError, PlannedDownload, PlannedHook};
use crate::spec::{Argument, Download, Downloaded, GirderJob, Hook, JobSpec};

impl Planner<'_> {
    /// Plans a download once, however often it is asked for, and gives its path in the container
    /// as far as it can be told without Girder.
    pub(crate) fn download(&mut self, at: usize, download: &Download) -> Result<String, PlanError> {
        let target = self.target(download.volume)?.clone();
        let mount = place(download.volume);
        let what = download.what.clone();
        let inside = match &what {
            Downloaded::File { filename: Some(filename), .. } => filename.clone(),
            Downloaded::File { id, .. } | Downloaded::Item { id } => {
                format!("{id}/{NAME_IN_GIRDER}")
            }
            Downloaded::Folder { id, folder_name } => {
                format!("{id}/{}", folder_name.as_deref().unwrap_or(NAME_IN_GIRDER))
            }
        };
        let path = format!("{}/{inside}", target.as_str().trim_end_matches('/'));
        for other in self.downloads.iter_mut().filter(|other| other.mount == mount) {
            if other.what == what {
                other.arguments.push(at);
                return Ok(path);
            }
            // Of what may be mounted it is known only later whether it is downloaded.
            if !other.what.may_be_here() && !what.may_be_here() && other.what.is_in_place_of(&what)
            {
                return Err(PlanError::DownloadedTwice { path });
            }
        }
        self.downloads.push(PlannedDownload { what, mount, target, arguments: vec![at] });
        Ok(path)
    }

    pub(crate) fn hook(&self, hook: &Hook) -> Result<PlannedHook, PlanError> {
        let mount = hook.path().map(|path| place(path.volume));
        let job_id = match hook {
            Hook::JobArtifact { job_id, .. } => {
                let of_the_job = || self.job.girder_job().and_then(job_of);
                Some(job_id.clone().or_else(of_the_job).ok_or(PlanError::NoJob)?)
            }
            _ => None,
        };
        Ok(PlannedHook { hook: hook.clone(), mount, job_id })
    }
}

/// The places of the arguments that are known only when the run has its Girder server.
pub(crate) fn girder_arguments(job: &JobSpec) -> Vec<(usize, GirderArgument)> {
    let known = |(at, argument): (usize, &Argument)| match argument {
        Argument::GirderApiUrl => Some((at, GirderArgument::ApiUrl)),
        Argument::GirderToken => Some((at, GirderArgument::Token)),
        _ => None,
    };
    job.container_args().iter().enumerate().filter_map(known).collect()
}

/// Stands for a name that only Girder knows, until it is asked.
const NAME_IN_GIRDER: &str = "<name in Girder>";

/// The id in `…/job/<id>`, where the job is told how it goes.
fn job_of(job: &GirderJob) -> Option<String> {
    let mut segments = job.url.as_url().path_segments()?;
    segments.find(|segment| *segment == "job")?;
    segments.next().filter(|id| !id.is_empty()).map(str::to_owned)
}
