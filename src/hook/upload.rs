//! Uploads of files and folders to an item or a folder.

use std::collections::HashMap;
use std::path::Path;

use super::send::{Target, file_name};
use super::{HookError, Session};
use crate::spec::UploadOptions;
use crate::store::Parent;
use crate::volume::{Written, WrittenFile, WrittenFolder, find_written, remove_written};

impl Session {
    /// Uploads a file, or the files directly in a folder, into an item. A file of the same name
    /// that the item has gets the new contents.
    pub(super) fn upload_to_item(
        &mut self,
        root: &Path,
        path: &str,
        item: &str,
        options: &UploadOptions,
    ) -> Result<(), HookError> {
        let Some(found) = self.found(root, path, options)? else { return Ok(()) };
        // Also finds out whether there is such an item, and whether we may see it.
        let listed: Result<HashMap<_, _>, _> = self
            .client
            .files_of_item(item)
            .map(|file| file.map(|file| (file.name, file.id)))
            .collect();
        let existing = listed.map_err(|error| HookError::target("item", item, error))?;
        let send = |session: &mut Self, path: &str, name: &str, file: &WrittenFile| {
            let existing = existing.get(name).map(String::as_str);
            session.send(
                path,
                file,
                &Target { parent: Parent::Item(item), name, existing, options },
            )
        };
        match found {
            Written::File(file) => send(self, path, &file_name(path), &file)?,
            Written::Folder(folder) => {
                for (path, name, file) in self.files_in(path, &folder)? {
                    send(self, &path, &name, &file)?;
                }
            }
            Written::Other(what) => return Err(not_a_file(path, what)),
        }
        delete(root, path, options)
    }

    /// Uploads a file as a new item of a folder, or a folder's contents with all that is below;
    /// folders that are there already are used.
    pub(super) fn upload_to_folder(
        &mut self,
        root: &Path,
        path: &str,
        folder: &str,
        options: &UploadOptions,
    ) -> Result<(), HookError> {
        let Some(found) = self.found(root, path, options)? else { return Ok(()) };
        self.client.folder(folder).map_err(|error| HookError::target("folder", folder, error))?;
        match found {
            Written::File(file) => {
                let name = &file_name(path);
                let parent = Parent::Folder(folder);
                self.send(path, &file, &Target { parent, name, existing: None, options })?;
            }
            Written::Folder(written) => self.tree(path, &written, (folder, 0), options)?,
            Written::Other(what) => return Err(not_a_file(path, what)),
        }
        delete(root, path, options)
    }

    fn tree(
        &mut self,
        path: &str,
        written: &WrittenFolder,
        (folder, depth): (&str, usize),
        options: &UploadOptions,
    ) -> Result<(), HookError> {
        if depth > MAX_DEPTH {
            return Err(HookError::TooDeep { path: path.to_owned(), limit: MAX_DEPTH });
        }
        for (path, name, entry) in self.entries(path, written)? {
            match entry {
                Written::File(file) => {
                    let parent = Parent::Folder(folder);
                    let to = Target { parent, name: &name, existing: None, options };
                    self.send(&path, &file, &to)?;
                }
                Written::Folder(below) => {
                    let made = self.client.ensure_folder(folder, &name);
                    let made = made.map_err(|error| HookError::target("folder", folder, error))?;
                    self.tree(&path, &below, (&made.id, depth + 1), options)?;
                }
                Written::Other(what) => self.skips(&path, what),
            }
        }
        Ok(())
    }

    /// The files directly in a folder, with their paths and names. What else there is, is told.
    pub(super) fn files_in(
        &mut self,
        path: &str,
        folder: &WrittenFolder,
    ) -> Result<Vec<(String, String, WrittenFile)>, HookError> {
        let mut files = Vec::new();
        for (path, name, entry) in self.entries(path, folder)? {
            match entry {
                Written::File(file) => files.push((path, name, file)),
                Written::Folder(_) => self.skips(&path, "a folder in a folder"),
                Written::Other(what) => self.skips(&path, what),
            }
        }
        Ok(files)
    }

    fn entries(
        &mut self,
        path: &str,
        folder: &WrittenFolder,
    ) -> Result<Vec<(String, String, Written)>, HookError> {
        let failed = |path: &str| {
            let path = path.to_owned();
            move |source| HookError::Read { path, source }
        };
        let mut entries = Vec::new();
        for name in folder.names().map_err(failed(path))? {
            let shown = name.to_string_lossy().into_owned();
            let inside = match path.trim_end_matches('/') {
                "" | "." => shown.clone(),
                path => format!("{path}/{shown}"),
            };
            if name.to_str().is_none() {
                self.warnings
                    .push(format!("{inside:?} is called so in Girder: its name is no UTF-8"));
            }
            if let Some(entry) = folder.entry(&name).map_err(failed(&inside))? {
                entries.push((inside, shown, entry));
            }
        }
        Ok(entries)
    }

    fn found(
        &self,
        root: &Path,
        path: &str,
        options: &UploadOptions,
    ) -> Result<Option<Written>, HookError> {
        let found = find_written(root, path)
            .map_err(|source| HookError::Volume { path: path.to_owned(), source })?;
        if found.is_none() && options.must_exist {
            return Err(HookError::Missing { path: path.to_owned() });
        }
        Ok(found)
    }
}

fn not_a_file(path: &str, what: &'static str) -> HookError {
    HookError::NotAFile { path: path.to_owned(), what }
}

fn delete(root: &Path, path: &str, options: &UploadOptions) -> Result<(), HookError> {
    if !options.delete_file {
        return Ok(());
    }
    remove_written(root, path).map_err(|source| HookError::Volume { path: path.to_owned(), source })
}

/// Folders inside each other, each of which is held open.
const MAX_DEPTH: usize = 256;
