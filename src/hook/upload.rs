//! Uploads of files and folders to an item or a folder.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::Path;

use super::send::{Target, file_name};
use super::side_by_side::{Into, Lot, Outgoing};
use super::{HookError, Session, skipped};
use crate::spec::UploadOptions;
use crate::store::Parent;
use crate::volume::{
    FolderId, MAX_DEPTH, Written, WrittenFile, WrittenFolder, find_written, remove_written,
};

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
        let existing: HashMap<_, _> = self.ask(("item", item), |store| {
            store.files_of_item(item).map(|file| file.map(|file| (file.name, file.id))).collect()
        })?;
        match found {
            Written::File(file) => {
                let (parent, name) = (Parent::Item(item), &file_name(path));
                let existing = existing.get(name).map(String::as_str);
                self.send(path, &file, &Target { parent, name, existing, options })?;
                if options.delete_file && file.is_replaced_at(root, path) {
                    self.warnings.push(stays(path));
                    return Ok(());
                }
            }
            Written::Folder(folder) => self.send_side_by_side(options, |lot, warnings| {
                each_file_in(path, &folder, warnings, |path, name, file| {
                    let (into, existing) =
                        (Into::Item(item.to_owned()), existing.get(&name).cloned());
                    Ok(lot.send(Outgoing { path, file, name, into, existing }))
                })
            })?,
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
        self.ask(("folder", folder), |store| store.folder(folder))?;
        match found {
            Written::File(file) => {
                let name = &file_name(path);
                let parent = Parent::Folder(folder);
                self.send(path, &file, &Target { parent, name, existing: None, options })?;
                if options.delete_file && file.is_replaced_at(root, path) {
                    self.warnings.push(stays(path));
                    return Ok(());
                }
            }
            Written::Folder(written) => self.send_side_by_side(options, |lot, warnings| {
                let mut seen = HashSet::new();
                tree(path, &written, (folder, 0, &mut seen), lot, warnings).map(drop)
            })?,
            Written::Other(what) => return Err(not_a_file(path, what)),
        }
        delete(root, path, options)
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

/// Puts all that is in a folder, and below, into the lot. False: no more is wanted.
fn tree(
    path: &str,
    written: &WrittenFolder,
    (folder, depth, seen): (&str, usize, &mut HashSet<FolderId>),
    lot: &mut Lot<'_, '_>,
    warnings: &mut Vec<String>,
) -> Result<bool, HookError> {
    if depth > MAX_DEPTH {
        return Err(HookError::TooDeep { path: path.to_owned(), limit: MAX_DEPTH });
    }
    let id = |folder: &WrittenFolder, path: &str| {
        folder.id().map_err(|source| HookError::Read { path: path.to_owned(), source })
    };
    seen.insert(id(written, path)?);
    for Name { path, shown: name, name: entry } in names(path, written, warnings)? {
        let goes_on = match look(&path, written, &entry)? {
            None => true,
            Some(Written::File(file)) => {
                let into = Into::Folder(folder.to_owned());
                lot.send(Outgoing { path, file, name, into, existing: None })
            }
            Some(Written::Folder(below))
                if below.is_link() && seen.contains(&id(&below, &path)?) =>
            {
                let what = "a symbolic link to a folder that is uploaded already";
                warnings.push(skipped(&path, what));
                true
            }
            Some(Written::Folder(below)) => {
                let session = lot.session();
                let made =
                    session.ask(("folder", folder), |store| store.ensure_folder(folder, &name))?;
                tree(&path, &below, (&made.id, depth + 1, &mut *seen), lot, warnings)?
            }
            Some(Written::Other(what)) => {
                warnings.push(skipped(&path, what));
                true
            }
        };
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives the files directly in a folder, with their paths and names, until no more are wanted. What else there is,
/// is told.
pub(super) fn each_file_in(
    path: &str,
    folder: &WrittenFolder,
    warnings: &mut Vec<String>,
    mut take: impl FnMut(String, String, WrittenFile) -> Result<bool, HookError>,
) -> Result<(), HookError> {
    for Name { path, shown, name } in names(path, folder, warnings)? {
        let goes_on = match look(&path, folder, &name)? {
            Some(Written::File(file)) => take(path, shown, file)?,
            Some(Written::Folder(_)) => {
                warnings.push(skipped(&path, "a folder in a folder"));
                true
            }
            Some(Written::Other(what)) => {
                warnings.push(skipped(&path, what));
                true
            }
            None => true,
        };
        if !goes_on {
            return Ok(());
        }
    }
    Ok(())
}

/// A name in a folder.
struct Name {
    /// With the folder's.
    path: String,
    /// As Girder will have it.
    shown: String,
    name: OsString,
}

fn names(
    path: &str,
    folder: &WrittenFolder,
    warnings: &mut Vec<String>,
) -> Result<Vec<Name>, HookError> {
    let found =
        folder.names().map_err(|source| HookError::Read { path: path.to_owned(), source })?;
    let named = found.into_iter().map(|name| {
        let shown = name.to_string_lossy().into_owned();
        let inside = match path.trim_end_matches('/') {
            "" | "." => shown.clone(),
            path => format!("{path}/{shown}"),
        };
        if name.to_str().is_none() {
            warnings.push(format!("{inside:?} is called so in Girder: its name is no UTF-8"));
        }
        Name { path: inside, shown, name }
    });
    Ok(named.collect())
}

/// What has the name by now: one at a time, since each is held open until it is sent.
fn look(path: &str, folder: &WrittenFolder, name: &OsString) -> Result<Option<Written>, HookError> {
    folder.entry(name).map_err(|source| HookError::Read { path: path.to_owned(), source })
}

fn not_a_file(path: &str, what: &'static str) -> HookError {
    HookError::NotAFile { path: path.to_owned(), what }
}

fn stays(path: &str) -> String {
    format!("{path:?} was replaced while it was uploaded: what is there now was not, and stays")
}

fn delete(root: &Path, path: &str, options: &UploadOptions) -> Result<(), HookError> {
    if !options.delete_file {
        return Ok(());
    }
    remove_written(root, path).map_err(|source| HookError::Volume { path: path.to_owned(), source })
}
