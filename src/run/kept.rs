//! Results that are not in Girder: where they are, and how they come there.

use std::path::{Path, PathBuf};

use super::live::Live;
use super::outcome::KeptRecord;
use super::quoted::quoted;
use super::settings::Keep;
use crate::plan::{Mount, PlannedHook};
use crate::spec::{Hook, UploadOptions};
use crate::volume::{Written, find_written};

impl Live {
    /// A hook has not put its result into Girder: sees to it that it stays, if there is one, and says where.
    pub(super) fn keeps_result(&mut self, planned: &PlannedHook) {
        let (Some(mount), Some(path)) = (planned.mount, planned.hook.path()) else { return };
        let is_passing = matches!(self.plan.mounts.get(mount), Some(Mount::Temporary { .. }));
        if is_passing && self.given.keep == Keep::Never {
            return;
        }
        let Some(root) = self.host_side(mount) else { return };
        let is_there = find_written(root, &path.filename);
        if !matches!(is_there, Ok(Some(Written::File(_) | Written::Folder(_)))) {
            return;
        }
        let path = root.join(&path.filename).components().collect::<PathBuf>();
        let command = Some(command(&path, planned, self.store.url()));
        if is_passing {
            self.made.staying.insert(mount);
        }
        self.keeps(KeptRecord { path, command });
    }

    /// What took the place of an output FIFO cannot be delivered: sees to it that it stays, if it is a program's that ended
    /// well, and says where.
    pub(super) fn keeps_replaced(&mut self, fifo: usize) {
        let planned = self.plan.fifos.get(fifo).map(|fifo| fifo.name.as_path().to_owned());
        let (Some(mount), Some(name)) = (self.own_mount_of(fifo), planned) else { return };
        let Some(root) = self.host_side(mount) else { return };
        let is_something = match find_written(root, &name.to_string_lossy()) {
            Ok(Some(Written::Folder(folder))) => {
                !folder.names().is_ok_and(|names| names.is_empty())
            }
            Ok(Some(Written::File(_))) => true,
            Ok(Some(Written::Other(_)) | None) => false,
            Err(error) => error.is_refused(),
        };
        if !is_something || !self.has_results || self.given.keep == Keep::Never {
            return;
        }
        let path = root.join(name);
        self.made.staying.insert(mount);
        self.keeps(KeptRecord { path, command: None });
    }

    /// Says where streams are that are whole, and that Girder did not take.
    pub(super) fn keeps_streams(&mut self) {
        for (item, name, stays) in self.transfers.staying() {
            match stays {
                Ok(path) => {
                    let mut upload = Upload::of(&path);
                    upload.says("--item", Some(&item));
                    upload.says("--girder-url", self.store.url());
                    self.keeps(KeptRecord { path, command: Some(upload.0) });
                }
                Err(error) => self.warns(format!("{name:?} of the item {item} is lost: {error}")),
            }
        }
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
struct Upload(String);

impl Upload {
    fn of(path: &Path) -> Self {
        Self(format!("gantline upload {}", quoted(&path.to_string_lossy())))
    }

    fn says(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0 += &format!(" {name} {}", quoted(value));
        }
    }

    fn says_how(&mut self, options: &UploadOptions) {
        self.says("--mime-type", options.mime_type.as_deref());
        self.says("--reference", options.reference.as_deref());
    }
}

/// The same, of a hook's result.
fn command(path: &Path, planned: &PlannedHook, url: Option<&str>) -> String {
    let mut upload = Upload::of(path);
    match &planned.hook {
        Hook::UploadToItem { item_id, options, .. } => {
            upload.says_how(options);
            upload.says("--item", Some(item_id));
        }
        Hook::UploadToFolder { folder_id, options, .. } => {
            upload.says_how(options);
            upload.says("--folder", Some(folder_id));
        }
        Hook::JobArtifact { name, .. } => {
            upload.says("--name", name.as_deref());
            upload.says("--job", planned.job_id.as_deref());
        }
        Hook::ItemMetadata { item_id, .. } => upload.says("--metadata-of", Some(item_id)),
    }
    upload.says("--girder-url", url);
    upload.0
}
