//! What is to be downloaded, as Girder tells it: in a thread of its own, ahead of the downloads.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc::Sender;

use super::Wanted;
use super::error::DownloadError;
use super::names::{Named, Names, safe};
use crate::plan::PlannedDownload;
use crate::run::error::Cause;
use crate::spec::Downloaded;
use crate::store::{FileRecord, Store, StoreError};

/// What the lister has found out.
#[derive(Debug)]
pub(super) enum Listed {
    /// Where the argument of a download leads to, inside its volume.
    Path { download: usize, inside: PathBuf },
    /// A folder that there has to be, whether or not anything is in it.
    Folder { download: usize, inside: PathBuf },
    /// A file.
    File(Box<Wanted>),
    /// Something that the user should know.
    Warning(String),
}

/// Lists every download in turn, each with its place in the plan. Ends early, without an error, when nobody listens any more.
pub(super) fn list(
    client: &Store,
    planned: &[(usize, PlannedDownload)],
    listed: &Sender<Listed>,
) -> Result<(), Cause> {
    for (download, planned) in planned {
        let download = *download;
        let mut lister = Lister { client, download, listed, entries: 0, top: String::new() };
        match lister.download(&planned.what) {
            Ok(()) => {}
            Err(Stop::Unheard) => return Ok(()),
            Err(Stop::Failed(cause)) => return Err(cause),
        }
    }
    Ok(())
}

struct Lister<'a> {
    client: &'a Store,
    download: usize,
    listed: &'a Sender<Listed>,
    entries: usize,
    /// What is downloaded, for messages.
    top: String,
}

enum Stop {
    Unheard,
    Failed(Cause),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Lister<'_> {
    fn download(&mut self, what: &Downloaded) -> Result<(), Stop> {
        match what {
            Downloaded::File { id, filename, .. } => {
                let record = self.client.file(id)?;
                let inside = match filename {
                    Some(filename) => PathBuf::from(filename),
                    None => Path::new(id).join(self.only_name(&record.name)?),
                };
                self.leads_to(&inside)?;
                self.file(record, inside)
            }
            Downloaded::Item { id } => {
                self.top = format!("the item {id}");
                let item = self.client.item(id)?;
                let inside = Path::new(id).join(self.only_name(&item.name)?);
                self.leads_to(&inside)?;
                self.folder(&inside)?;
                let mut names = Names::default();
                for file in self.client.files_of_item(id) {
                    let file = file?;
                    let inside = inside.join(self.name(&mut names, &file.name, &inside)?);
                    self.file(file, inside)?;
                }
                Ok(())
            }
            Downloaded::Folder { id, folder_name } => {
                self.top = format!("the folder {id}");
                let folder = self.client.folder(id)?;
                let inside = match folder_name {
                    Some(name) => Path::new(id).join(name),
                    None => Path::new(id).join(self.only_name(&folder.name)?),
                };
                self.leads_to(&inside)?;
                self.tree(id, &inside, 0)
            }
        }
    }

    /// A folder, laid out as Girder's own client does: an item that is one file of its name is
    /// that file, any other a folder of its files.
    fn tree(&mut self, id: &str, inside: &Path, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(self.too_much("folders inside each other", MAX_DEPTH));
        }
        self.folder(inside)?;
        let mut names = Names::default();
        for folder in self.client.folders_of_folder(id) {
            let folder = folder?;
            let below = inside.join(self.name(&mut names, &folder.name, inside)?);
            self.tree(&folder.id, &below, depth + 1)?;
        }
        for item in self.client.items_of_folder(id) {
            let item = item?;
            let below = inside.join(self.name(&mut names, &item.name, inside)?);
            let mut files = self.client.files_of_item(&item.id);
            let first = files.next().transpose()?;
            let second = files.next().transpose()?;
            match (first, second) {
                (Some(file), None) if file.name == item.name => self.file(file, below)?,
                (first, second) => {
                    self.folder(&below)?;
                    let mut names = Names::default();
                    for file in first.into_iter().chain(second).map(Ok).chain(files) {
                        let file = file?;
                        let inside = below.join(self.name(&mut names, &file.name, &below)?);
                        self.file(file, inside)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, record: FileRecord, inside: PathBuf) -> Result<(), Stop> {
        let FileRecord { id, name, size, sha512 } = record;
        let get = self.client.download(&id)?;
        let download = self.download;
        let wanted = Wanted { download, id, name, inside, size, sha512, get };
        self.tell(Listed::File(Box::new(wanted)))
    }

    fn folder(&mut self, inside: &Path) -> Result<(), Stop> {
        self.tell(Listed::Folder { download: self.download, inside: inside.to_owned() })
    }

    fn leads_to(&mut self, inside: &Path) -> Result<(), Stop> {
        self.tell(Listed::Path { download: self.download, inside: inside.to_owned() })
    }

    /// The name of what is alone in its folder.
    fn only_name(&mut self, given: &str) -> Result<String, Stop> {
        let name = safe(given);
        self.renamed(given, &Named { is_changed: name != given, name: name.clone() }, None)?;
        Ok(name)
    }

    fn name(&mut self, names: &mut Names, given: &str, folder: &Path) -> Result<String, Stop> {
        let named = names.take(given);
        self.renamed(given, &named, Some(folder))?;
        Ok(named.name)
    }

    fn renamed(&mut self, given: &str, named: &Named, folder: Option<&Path>) -> Result<(), Stop> {
        if !named.is_changed {
            return Ok(());
        }
        let place = folder.map(|folder| format!(" in {}", folder.display())).unwrap_or_default();
        let name = &named.name;
        self.tell(Listed::Warning(format!("{given:?} of Girder is called {name:?}{place}")))
    }

    fn tell(&mut self, listed: Listed) -> Result<(), Stop> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(self.too_much("files and folders", MAX_ENTRIES));
        }
        self.listed.blocking_send(listed).map_err(|_| Stop::Unheard)
    }

    fn too_much(&self, what: &'static str, limit: usize) -> Stop {
        let folder = self.top.clone();
        Stop::Failed(Cause::Download(Box::new(DownloadError::TooMuch { folder, what, limit })))
    }
}

/// Folders inside each other. Girder has no limit, and people stop far below.
const MAX_DEPTH: usize = 256;

/// Files and folders of one download. A listing that never ends is no listing.
const MAX_ENTRIES: usize = 4_000_000;
