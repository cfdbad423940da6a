//! `gantline prune`: what killed runs left.

use std::collections::BTreeSet;

use super::args::PruneArgs;
use super::{Failure, exit, render};
use crate::run::{Prune, Pruned, chain, quoted};
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
    if let Some(engine) = &args.forget {
        prune = prune.forget(engine).map_err(|error| Failure::bad_usage(&error))?;
    }
    let pruned = prune.run().map_err(|error| Failure::failed(&error))?;
    let printed = render::print(&lines(&pruned, args.dry_run))?;
    for left in &pruned.left {
        render::say(&format!("{}; this does it: {}", chain(&left.error), left.command));
    }
    let away: BTreeSet<_> =
        pruned.left.iter().filter_map(|left| left.unreachable.as_ref()).collect();
    for engine in away {
        let engine = quoted(engine);
        render::say(&format!("if that engine is gone for good: gantline prune --forget {engine}"));
    }
    if let Some(engine) = args.forget.as_deref().filter(|_| pruned.forgotten.is_empty()) {
        render::say(&format!(
            "nothing is forgotten: no record names a container of {engine} that is away"
        ));
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
    let forgotten = pruned.forgotten.iter().map(|name| format!("forgotten container {name}"));
    let all = containers.chain(stopped).chain(forgotten).chain(paths);
    // A name may have lines of its own.
    all.map(|line| format!("{would}{}\n", render::harmless(&line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_has_lines_makes_none() {
        let pruned = Pruned { paths: vec!["/a\nremoved /b".into()], ..Pruned::default() };
        assert_eq!(lines(&pruned, true), "would have removed /a\\nremoved /b\n");
    }
}
