//! The part of a plan that is put into volumes from Girder, and taken out of them to it.

use super::argument::Part;
use super::planner::Planner;
use super::{PlanError, PlannedDownload, PlannedHook};
use crate::spec::{Download, GirderJob, Hook};

impl Planner<'_> {
    /// Plans a download once, however often it is asked for, and gives what an argument becomes.
    pub(crate) fn download(&mut self, download: &Download) -> Result<Part, PlanError> {
        let (mount, target) = self.mounted(download.volume)?;
        let what = download.what.clone();
        let path = format!("{}/{}", target.as_str().trim_end_matches('/'), what.told_path());
        if let Some(&at) = self.downloads_at.get(&(mount, what.clone())) {
            return Ok(Part::Download { at, told: path });
        }
        // Of what may be mounted it is known only later whether it is downloaded.
        if let Some(named) = what.named_path().filter(|_| !what.may_be_here())
            && !self.named_paths.insert((mount, named.to_owned()))
        {
            return Err(PlanError::DownloadedTwice { path });
        }
        self.downloads_at.insert((mount, what.clone()), self.downloads.len());
        self.downloads.push(PlannedDownload { what, mount, target, told: path.clone() });
        Ok(Part::Download { at: self.downloads.len() - 1, told: path })
    }

    pub(crate) fn hook(&mut self, hook: &Hook) -> Result<PlannedHook, PlanError> {
        let mount = hook.path().map(|path| self.mounted(path.volume)).transpose()?;
        let mount = mount.map(|(mount, _)| mount);
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

/// The id in `…/job/<id>`, where the job is told how it goes.
fn job_of(job: &GirderJob) -> Option<String> {
    let mut segments = job.url.as_url().path_segments()?;
    segments.find(|segment| *segment == "job")?;
    segments.next().filter(|id| !id.is_empty()).map(str::to_owned)
}
