//! The part of a plan that is put into volumes from Girder, and taken out of them to it.

use std::collections::hash_map::Entry;

use super::argument::Part;
use super::planner::Planner;
use super::{PlanError, PlannedDownload, PlannedHook};
use crate::spec::{Download, GirderJob, Hook};

impl<'a> Planner<'a> {
    /// Plans a download once, however often it is asked for, and gives what an argument becomes.
    pub(crate) fn download(&mut self, download: &'a Download) -> Result<Part, PlanError> {
        let (mount, target) = self.mounted(download.volume)?;
        let what = &download.what;
        let told = format!("{}/{}", target.as_str().trim_end_matches('/'), what.told_path());
        let at = self.downloads.len();
        match self.downloads_at.entry((mount, what)) {
            Entry::Occupied(known) => return Ok(Part::Download { at: *known.get(), told }),
            Entry::Vacant(new) => new.insert(at),
        };
        // Of what may be mounted it is known only later whether it is downloaded.
        if let Some(named) = what.named_path().filter(|_| !what.may_be_here())
            && !self.named_paths.insert((mount, named))
        {
            return Err(PlanError::DownloadedTwice { path: told });
        }
        let (what, in_plan) = (what.clone(), told.clone());
        self.downloads.push(PlannedDownload { what, mount, target, told: in_plan });
        Ok(Part::Download { at, told })
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
