//! `gantline prune`: what killed runs left.

use super::args::PruneArgs;
use super::{Failure, exit, render};
use crate::run::{Prune, Pruned, chain};
use crate::settings::Environment;

/// Removes it, and prints what was removed.
pub(super) fn prune(args: &PruneArgs, environment: &Environment) -> Result<u8, Failure> {
    let engine = environment.engine().map_err(|error| Failure::bad_usage(&error))?;
    let mut prune = Prune::new(engine, &environment.temporary_folder());
    if let Some(folder) = environment.record_folder() {
        prune = prune.record_folder(&folder);
    }
    if args.all {
        prune = prune.everybody();
    }
    if args.dry_run {
        prune = prune.dry();
    }
    let pruned = prune.run().map_err(|error| Failure::failed(&error))?;
    let printed = render::print(&lines(&pruned, args.dry_run))?;
    for left in &pruned.left {
        render::say(&format!("{}; this does it: {}", chain(&left.error), left.command));
    }
    for name in &pruned.unrecorded {
        render::say(&format!(
            "the container {name} looks like a killed run's, and no record here names it: it stays"
        ));
    }
    Ok(if pruned.left.is_empty() { printed } else { exit::FAILED })
}

fn lines(pruned: &Pruned, is_dry: bool) -> String {
    let would = if is_dry { "would have " } else { "" };
    let containers = pruned.containers.iter().map(|name| format!("removed container {name}"));
    let stopped = pruned.stopped.iter().map(|name| format!("stopped container {name}"));
    let paths = pruned.paths.iter().map(|path| format!("removed {}", path.display()));
    let all = containers.chain(stopped).chain(paths);
    all.map(|line| format!("{would}{line}\n")).collect()
}
