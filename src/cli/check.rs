//! `gantline check`: what a job would do.

use std::fmt::Write;
use std::path::Path;

use super::args::CheckArgs;
use super::{Failure, job, render};
use crate::plan::{Mount, Plan};
use crate::run::missing_sources;
use crate::settings::Environment;
use crate::spec::{PullPolicy, Sink, Source};

/// Parses and plans a job, and prints the plan.
pub(super) fn check(args: &CheckArgs, environment: &Environment) -> Result<u8, Failure> {
    let mut job = job::read(&args.job)?;
    let options = environment.run_options().map_err(|error| Failure::bad_usage(&error))?;
    options.merge_into(&mut job);
    let mut made = 0;
    let name = || {
        made += 1;
        if made == 1 { "<uuid>".to_owned() } else { format!("<uuid {made}>") }
    };
    let plan = Plan::new(&job, name).map_err(|error| Failure::bad_usage(&error))?;
    let warnings = plan.warnings.iter().cloned().chain(missing_sources(&plan));
    let warnings = warnings.chain(missing_ends(&plan));
    warnings.for_each(|warning| render::say(&format!("warning: {warning}")));
    render::print(&text(&plan))
}

/// Files of the host that are to be streamed and are not there, and folders for those that are to be made.
fn missing_ends(plan: &Plan) -> impl Iterator<Item = String> {
    let is_missing = |path: &Path| std::fs::exists(path).is_ok_and(|exists| !exists);
    plan.transfers.iter().flat_map(move |transfer| {
        let source = match &transfer.source {
            Source::HostFile { path } if is_missing(path) => {
                Some(format!("{} is to be streamed and is not there", path.display()))
            }
            _ => None,
        };
        let folder = match &transfer.sink {
            Sink::HostFile { path } => path.parent().filter(|folder| is_missing(folder)),
            _ => None,
        };
        let folder = folder.map(|folder| {
            format!("{} is to have a file of the job, and is not there", folder.display())
        });
        source.into_iter().chain(folder)
    })
}

fn text(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing into a String does not fail.
    let _ = write_plan(plan, &mut out);
    out
}

fn write_plan(plan: &Plan, out: &mut String) -> std::fmt::Result {
    let pull = match plan.pull {
        PullPolicy::Always => "pulled before the run",
        PullPolicy::Never => "not pulled",
        PullPolicy::IfNotPresent => "pulled if the engine does not have it",
    };
    writeln!(out, "image: {} ({pull})", plan.image)?;
    if let Some(entrypoint) = &plan.entrypoint {
        writeln!(out, "entrypoint: {entrypoint:?}")?;
    }
    let mut options = plan.container.keywords().peekable();
    if options.peek().is_some() {
        // Without their values, which may be passwords.
        writeln!(out, "container options: {}", options.collect::<Vec<_>>().join(", "))?;
    }
    writeln!(out, "mounts:")?;
    for mount in &plan.mounts {
        match mount {
            Mount::Bind { bind, .. } => writeln!(out, "  {bind}")?,
            Mount::Temporary { host_dir, target, access, .. } => {
                let place = host_dir.as_ref().map(|folder| format!(" in {}", folder.display()));
                writeln!(
                    out,
                    "  (temporary directory{}):{target}:{access}",
                    place.unwrap_or_default()
                )?;
            }
        }
    }
    writeln!(out, "arguments:")?;
    for argument in plan.arguments() {
        writeln!(out, "  {argument:?}")?;
    }
    writeln!(out, "transfers:")?;
    for transfer in &plan.transfers {
        writeln!(out, "  {}", transfer)?;
    }
    if !plan.downloads.is_empty() {
        writeln!(out, "downloads:")?;
        plan.downloads.iter().try_for_each(|download| writeln!(out, "  {download}"))?;
    }
    if !plan.hooks.is_empty() {
        writeln!(out, "results:")?;
        plan.hooks.iter().try_for_each(|hook| writeln!(out, "  {}", hook.label()))?;
    }
    let after = if plan.remove_container { "removed" } else { "kept" };
    writeln!(out, "container: {after} after the run")
}
