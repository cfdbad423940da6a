//! Where results will go, looked at before there are any: who has computed for a day is not to hear
//! then that nobody may write there.

use std::collections::BTreeSet;
use std::convert::Infallible;

use crossbeam_channel::Receiver;

use super::{Access, HookError};
use crate::spec::Hook;
use crate::store::Parent;

/// Sees that each item and folder that these hooks write to is there, and that we may write to it.
/// Blocks; gives up when `cancelled` is disconnected.
///
/// # Errors
/// With the place of the hook among `hooks`, [`HookError::Target`].
pub(crate) fn look_at_targets(
    hooks: &[Hook],
    access: &Access,
    cancelled: &Receiver<Infallible>,
) -> Result<(), (usize, HookError)> {
    let mut seen = BTreeSet::new();
    for (at, hook) in hooks.iter().enumerate() {
        let Some(parent) = parent(hook) else { continue };
        let (kind, id) = parent.to_parts();
        if seen.insert((kind, id)) {
            look(parent, access, cancelled).map_err(|error| (at, error))?;
        }
    }
    Ok(())
}

/// Where a hook puts files or values.
fn parent(hook: &Hook) -> Option<Parent<'_>> {
    match hook {
        Hook::UploadToItem { item_id, .. } | Hook::ItemMetadata { item_id, .. } => {
            Some(Parent::Item(item_id))
        }
        Hook::UploadToFolder { folder_id, .. } => Some(Parent::Folder(folder_id)),
        // Servers differ in whether they have artifacts; one that has none is no failure.
        Hook::JobArtifact { .. } => None,
    }
}

fn look(
    parent: Parent<'_>,
    access: &Access,
    cancelled: &Receiver<Infallible>,
) -> Result<(), HookError> {
    let (kind, id) = parent.to_parts();
    let found = access.client.ask(cancelled, |store| store.check_parent(parent));
    found.map_err(|error| HookError::target(kind, id, error))
}
