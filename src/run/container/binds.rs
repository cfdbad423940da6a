//! Bind mounts whose source is not there.

use std::fs;
use std::path::Path;

use crate::plan::{Mount, Plan};

/// What to say of each bind mount whose source is not on this host. An engine makes an empty folder in its
/// place, which belongs to root and stays: mostly nobody has meant that.
pub(crate) fn missing_sources(plan: &Plan) -> Vec<String> {
    let missing = |mount: &Mount| match mount {
        Mount::Bind { host_path, .. } if is_missing(Path::new(host_path)) => Some(format!(
            "{host_path} is to be mounted and is not there: the engine makes an empty folder of root's"
        )),
        Mount::Bind { .. } | Mount::Temporary { .. } => None,
    };
    plan.mounts.iter().filter_map(missing).collect()
}

/// An engine's own volume has a name and no path. What we may not see may be there.
fn is_missing(path: &Path) -> bool {
    path.is_absolute() && fs::exists(path).is_ok_and(|exists| !exists)
}
