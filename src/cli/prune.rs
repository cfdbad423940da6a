//! `gantline prune`: what killed runs left.

use super::{Failure, exit, render};
use crate::run::chain;
use crate::settings::Environment;

/// Removes it, and prints what was removed.
pub(super) fn prune(environment: &Environment) -> Result<u8, Failure> {
    let engine = environment.engine().map_err(|error| Failure::bad_usage(&error))?;
    let pruned = crate::run::prune(engine, &environment.temporary_folder())
        .map_err(|error| Failure::failed(&error))?;
    let containers = pruned.containers.iter().map(|name| format!("removed container {name}\n"));
    let paths = pruned.paths.iter().map(|path| format!("removed {}\n", path.display()));
    let printed = render::print(&containers.chain(paths).collect::<String>())?;
    pruned.left.iter().for_each(|error| render::say(&chain(error)));
    Ok(if pruned.left.is_empty() { printed } else { exit::FAILED })
}
