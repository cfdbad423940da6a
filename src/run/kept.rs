//! Results that are not in Girder: where they are, and how they come there.

use std::path::{Path, PathBuf};

use super::live::Live;
use super::outcome::KeptRecord;
use super::quoted::quoted;
use super::settings::Keep;
use crate::hook::HookError;
use crate::plan::{Mount, PlannedHook};
use crate::spec::{Hook, UploadOptions};

impl Live {
    /// A hook has failed: sees to it that its result stays, and says where.
    pub(super) fn keeps_result(&mut self, planned: &PlannedHook, error: &HookError) {
        let is_nothing = matches!(error, HookError::Missing { .. } | HookError::Cancelled { .. });
        let (Some(mount), Some(path)) = (planned.mount, planned.hook.path()) else { return };
        let is_passing = matches!(self.plan.mounts.get(mount), Some(Mount::Temporary { .. }));
        if is_nothing || (is_passing && self.given.keep == Keep::Never) {
            return;
        }
        let Some(root) = self.host_side(mount) else { return };
        let path = root.join(&path.filename).components().collect::<PathBuf>();
        let command = Some(command(&path, planned, self.store.url()));
        if is_passing {
            self.made.staying.insert(mount);
        }
        self.keeps(KeptRecord { path, command });
    }

    /// Notes something that stays.
    pub(super) fn keeps(&mut self, kept: KeptRecord) {
        if let Some(teller) = &self.teller {
            teller.log(&format!("{kept}\n"));
        }
        self.report.kept.push(kept);
    }
}

/// What a person types who has a token in `GIRDER_TOKEN`.
fn command(path: &Path, planned: &PlannedHook, url: Option<&str>) -> String {
    let mut words = vec!["gantline upload".to_owned(), quoted(&path.to_string_lossy())];
    let mut says = |name: &str, value: Option<&str>| {
        words.extend(value.map(|value| format!("{name} {}", quoted(value))));
    };
    let mut how = |options: &UploadOptions| {
        says("--mime-type", options.mime_type.as_deref());
        says("--reference", options.reference.as_deref());
    };
    match &planned.hook {
        Hook::UploadToItem { item_id, options, .. } => {
            how(options);
            says("--item", Some(item_id));
        }
        Hook::UploadToFolder { folder_id, options, .. } => {
            how(options);
            says("--folder", Some(folder_id));
        }
        Hook::JobArtifact { name, .. } => {
            says("--name", name.as_deref());
            says("--job", planned.job_id.as_deref());
        }
        Hook::ItemMetadata { item_id, .. } => says("--metadata-of", Some(item_id)),
    }
    says("--girder-url", url);
    words.join(" ")
}
