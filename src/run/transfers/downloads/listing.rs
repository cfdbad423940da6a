//! What is to be downloaded, as Girder tells it: one listing at a time, by whoever of the crew has one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bundle::{Bundle, FEWEST, is_worth_it};
use super::crew::Crew;
use super::error::DownloadError;
use super::names::{Named, Names, safe};
use super::wanted::{Origin, Wanted};
use crate::run::error::Cause;
use crate::spec::{Downloaded, Verify};
use crate::store::{FileRecord, FolderRecord, ItemRecord, Pages};

/// Something that Girder is to be asked for.
#[derive(Debug)]
pub(super) enum Listing {
    /// What the plan says.
    Planned { top: Arc<Top>, what: Downloaded },
    /// The next page of a folder.
    Folder(Box<Folder>),
    /// An item of a folder, and what it is called there.
    Item { top: Arc<Top>, item: ItemRecord, inside: PathBuf },
}

/// One download of the plan.
#[derive(Debug)]
pub(super) struct Top {
    /// Its place in the plan.
    download: usize,
    /// What it is for messages.
    label: String,
    entries: AtomicUsize,
}

impl Top {
    fn new(download: usize, label: String) -> Self {
        Self { download, label, entries: AtomicUsize::new(0) }
    }

    /// One entry more.
    fn counts(&self) -> Result<(), Stop> {
        match self.entries.fetch_add(1, Ordering::Relaxed) {
            0..MAX_ENTRIES => Ok(()),
            _ => Err(self.too_much("files and folders", MAX_ENTRIES)),
        }
    }

    /// A folder that has so many above it.
    fn reaches(&self, depth: usize) -> Result<(), Stop> {
        match depth {
            0..=MAX_DEPTH => Ok(()),
            _ => Err(self.too_much("folders inside each other", MAX_DEPTH)),
        }
    }

    fn too_much(&self, what: &'static str, limit: usize) -> Stop {
        let folder = self.label.clone();
        Stop::Failed(DownloadError::TooMuch { folder, what, limit }.into())
    }
}

/// A folder of Girder's, as far as it is listed.
#[derive(Debug)]
pub(super) struct Folder {
    top: Arc<Top>,
    id: String,
    name: String,
    inside: PathBuf,
    depth: usize,
    /// Whether its items are to be listed: a zip has the folders in it as well, or was refused.
    is_for_listing: bool,
    names: Names,
    folders: Pages<FolderRecord>,
    items: Pages<ItemRecord>,
}

/// Why a listing does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody wants it any more.
    Unheard,
    Failed(Cause),
}

impl<E: Into<Cause>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Listing {
    /// The first listing of the plan's download.
    pub(super) fn of(download: usize, what: Downloaded) -> Self {
        let label = match &what {
            Downloaded::File { id, .. } => format!("the file {id}"),
            Downloaded::Item { id } => format!("the item {id}"),
            Downloaded::Folder { id, .. } => format!("the folder {id}"),
        };
        Self::Planned { top: Arc::new(Top::new(download, label)), what }
    }

    /// Asks Girder. What it tells of is made, fetched, or listed in its turn.
    pub(super) fn list(self, crew: &Crew) -> Result<(), Stop> {
        match self {
            Self::Planned { top, what } => Lister { crew, top: &top }.planned(what),
            Self::Folder(folder) => {
                let top = Arc::clone(&folder.top);
                Lister { crew, top: &top }.next_page(folder)
            }
            Self::Item { top, item, inside } => Lister { crew, top: &top }.item(&item, &inside),
        }
    }
}

/// Whoever asks, for one download of the plan.
pub(super) struct Lister<'a> {
    pub(super) crew: &'a Crew,
    top: &'a Arc<Top>,
}

impl Lister<'_> {
    fn planned(&self, what: Downloaded) -> Result<(), Stop> {
        let store = self.crew.store();
        match what {
            Downloaded::File { id, filename, .. } => {
                let record = store.file(&id)?;
                let inside = match filename {
                    Some(filename) => PathBuf::from(filename),
                    None => Path::new(&id).join(self.only_name(&record.name)),
                };
                self.leads_to(&inside)?;
                self.file(record, inside)
            }
            Downloaded::Item { id } => {
                let item = store.item(&id)?;
                let inside = Path::new(&id).join(self.only_name(&item.name));
                self.leads_to(&inside)?;
                self.folder(&inside)?;
                self.files(&item, &inside, store.files_of_item(&id))
            }
            Downloaded::Folder { id, folder_name } => {
                let folder = store.folder(&id)?;
                let inside = match folder_name {
                    Some(name) => Path::new(&id).join(name),
                    None => Path::new(&id).join(self.only_name(&folder.name)),
                };
                self.leads_to(&inside)?;
                let folder = self.tree(folder, inside, 0)?;
                self.crew.list_folders(vec![folder]);
                Ok(())
            }
        }
    }

    /// A folder, laid out as Girder's own client does: an item that is one file of its name is
    /// that file, any other a folder of its files.
    fn tree(&self, folder: FolderRecord, inside: PathBuf, depth: usize) -> Result<Listing, Stop> {
        self.top.reaches(depth)?;
        self.folder(&inside)?;
        let (store, FolderRecord { id, name, .. }) = (self.crew.store(), folder);
        Ok(Listing::Folder(Box::new(Folder {
            top: Arc::clone(self.top),
            folders: store.folders_of_folder(&id),
            items: store.items_of_folder(&id),
            id,
            name,
            inside,
            depth,
            is_for_listing: false,
            names: Names::default(),
        })))
    }

    /// A page of its folders, and behind the last of them one of its items.
    fn next_page(&self, mut folder: Box<Folder>) -> Result<(), Stop> {
        if let Some(page) = folder.folders.next_records()? {
            let depth = folder.depth + 1;
            let mut below = Vec::with_capacity(page.len());
            for record in page {
                folder.is_for_listing = true;
                let inside = self.name_in(&mut folder, &record.name);
                below.push(self.tree(record, inside, depth)?);
            }
            // The last that is put there is the next to be taken.
            below.reverse();
            self.crew.list_folders([Listing::Folder(folder)].into_iter().chain(below).collect());
            return Ok(());
        }
        let Some(items) = self.next_items(&mut folder)? else { return Ok(()) };
        if !std::mem::replace(&mut folder.is_for_listing, true)
            && is_worth_it(items.iter().map(|(item, _)| item.size))
            && self.crew.may_have_archives()
            && self.crew.verify() != Verify::Always
        {
            return self.in_one_zip(folder, items);
        }
        if !folder.items.is_last() {
            self.crew.list_folders(vec![Listing::Folder(folder)]);
        }
        self.list_items(items);
        Ok(())
    }

    /// A page of a folder's items, and what each is called.
    fn next_items(&self, folder: &mut Folder) -> Result<Option<Vec<(ItemRecord, PathBuf)>>, Stop> {
        let Some(page) = folder.items.next_records()? else { return Ok(None) };
        let named = |item: ItemRecord| {
            let inside = self.name_in(folder, &item.name);
            (item, inside)
        };
        Ok(Some(page.into_iter().map(named).collect()))
    }

    /// The items of a folder in which there are no folders. The records of files are not asked for: if they have sums,
    /// which the first item shows, the zip would leave out what is to be checked.
    fn in_one_zip(
        &self,
        mut folder: Box<Folder>,
        items: Vec<(ItemRecord, PathBuf)>,
    ) -> Result<(), Stop> {
        let mut items = items.into_iter();
        let mut bundle = Bundle::new(self, &folder.name);
        if let Some((first, inside)) = items.next() {
            bundle.expect_item_of_files(&first, &inside)?;
        }
        let get = self.crew.store().archive_of_folder(&folder.id)?;
        let archive = if bundle.has_sums() { None } else { self.crew.open_archive(&get) };
        let Some(archive) = archive else {
            if !folder.items.is_last() {
                self.crew.list_folders(vec![Listing::Folder(folder)]);
            }
            self.list_items(items);
            return bundle.ask_for_the_rest();
        };
        // Girder goes on meanwhile, as far as it can.
        items.for_each(|(item, inside)| bundle.expect_item(item, inside));
        while bundle.has_room() {
            let Some(page) = self.next_items(&mut folder)? else { return bundle.receive(archive) };
            page.into_iter().for_each(|(item, inside)| bundle.expect_item(item, inside));
        }
        drop(archive);
        self.crew.list_folders(vec![Listing::Folder(folder)]);
        bundle.ask_for_the_rest()
    }

    fn item(&self, item: &ItemRecord, inside: &Path) -> Result<(), Stop> {
        let mut files = self.crew.store().files_of_item(&item.id);
        let first = files.next().transpose()?;
        let second = files.next().transpose()?;
        match (first, second) {
            (Some(file), None) if file.name == item.name => self.file(file, inside.to_owned()),
            (first, second) => {
                self.folder(inside)?;
                self.files(item, inside, first.into_iter().chain(second).map(Ok).chain(files))
            }
        }
    }

    /// The files of an item, in a folder of their own.
    fn files<E: Into<Cause>>(
        &self,
        item: &ItemRecord,
        inside: &Path,
        files: impl Iterator<Item = Result<FileRecord, E>>,
    ) -> Result<(), Stop> {
        let mut names = Names::default();
        let mut named = files.map(|file| {
            let file = file?;
            let inside = inside.join(self.name(&mut names, &file.name, inside));
            Ok((file, inside))
        });
        let first = named.by_ref().take(FEWEST).collect::<Result<Vec<_>, Stop>>()?;
        if is_worth_it(first.iter().map(|(file, _)| file.size)) {
            let get = self.crew.store().archive_of_item(&item.id)?;
            if let Some(archive) = self.crew.open_archive(&get) {
                let mut bundle = Bundle::new(self, &item.name);
                first.into_iter().for_each(|(file, inside)| bundle.expect_file(file, inside));
                while bundle.has_room() {
                    let Some(file) = named.next() else { return bundle.receive(archive) };
                    let (file, inside) = file?;
                    bundle.expect_file(file, inside);
                }
                drop(archive);
                bundle.ask_for_the_rest()?;
                return named
                    .try_for_each(|file| file.and_then(|(file, inside)| self.file(file, inside)));
            }
        }
        for file in first.into_iter().map(Ok).chain(named) {
            let (record, inside) = file?;
            self.file(record, inside)?;
        }
        Ok(())
    }

    /// The files of an item that may have several, as [`item`](Self::item) lays them out: whether it is one of its name.
    pub(super) fn files_of(
        &self,
        item: &ItemRecord,
        inside: &Path,
    ) -> Result<(bool, Vec<(FileRecord, PathBuf)>), Stop> {
        let files = self.crew.store().files_of_item(&item.id).collect::<Result<Vec<_>, _>>()?;
        let is_alone = matches!(&files[..], [file] if file.name == item.name);
        if is_alone {
            return Ok((true, files.into_iter().map(|file| (file, inside.to_owned())).collect()));
        }
        self.folder(inside)?;
        let mut names = Names::default();
        let named = files.into_iter().map(|file| {
            let inside = inside.join(self.name(&mut names, &file.name, inside));
            (file, inside)
        });
        Ok((false, named.collect()))
    }

    /// The sum that a file is to be held against.
    pub(super) fn sum_of<'f>(&self, file: &'f FileRecord) -> Option<&'f str> {
        file.sha512.as_deref().filter(|_| self.crew.verify().sums(file.size))
    }

    /// Has items listed, each in its turn.
    pub(super) fn list_items(&self, items: impl IntoIterator<Item = (ItemRecord, PathBuf)>) {
        let items = items.into_iter();
        let top = || Arc::clone(self.top);
        let items = items.map(|(item, inside)| Listing::Item { top: top(), item, inside });
        self.crew.list_items(items.collect());
    }

    /// The place of what is listed in the plan.
    pub(super) fn download(&self) -> usize {
        self.top.download
    }

    pub(super) fn file(&self, record: FileRecord, inside: PathBuf) -> Result<(), Stop> {
        self.counts()?;
        let get = self.crew.store().download(&record.id)?;
        let sha512 = self.sum_of(&record).map(str::to_owned);
        let (download, FileRecord { id, name, size, .. }) = (self.top.download, record);
        let origin = Origin::File { id, name };
        self.crew.fetch(Wanted { download, origin, inside, size, sha512, get })
    }

    /// A folder that there has to be, whether or not anything is in it.
    fn folder(&self, inside: &Path) -> Result<(), Stop> {
        self.counts()?;
        self.crew.make_folder(self.top.download, inside)
    }

    /// Where the argument of the download leads to, inside its volume.
    fn leads_to(&self, inside: &Path) -> Result<(), Stop> {
        self.counts()?;
        self.crew.found().leads_to(self.top.download, inside.to_owned());
        Ok(())
    }

    /// The name of what is alone in its folder.
    fn only_name(&self, given: &str) -> String {
        let name = safe(given);
        self.renamed(given, &Named { is_changed: name != given, name: name.clone() }, None);
        name
    }

    fn name_in(&self, folder: &mut Folder, given: &str) -> PathBuf {
        let name = self.name(&mut folder.names, given, &folder.inside);
        folder.inside.join(name)
    }

    fn name(&self, names: &mut Names, given: &str, folder: &Path) -> String {
        let named = names.take(given);
        self.renamed(given, &named, Some(folder));
        named.name
    }

    fn renamed(&self, given: &str, named: &Named, folder: Option<&Path>) {
        if !named.is_changed {
            return;
        }
        let place = folder.map(|folder| format!(" in {}", folder.display())).unwrap_or_default();
        let name = &named.name;
        self.crew.found().warns(format!("{given:?} of Girder is called {name:?}{place}"));
    }

    pub(super) fn counts(&self) -> Result<(), Stop> {
        self.top.counts()
    }
}

/// Folders inside each other. Girder has no limit, and people stop far below.
const MAX_DEPTH: usize = 256;

/// Files and folders of one download. A listing that never ends is no listing.
const MAX_ENTRIES: usize = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::chain;

    fn words(stop: Result<(), Stop>) -> String {
        match stop {
            Err(Stop::Failed(cause)) => chain(&cause),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_listing_that_does_not_end_is_given_up() {
        let top = Top::new(0, "the folder f".to_owned());
        top.reaches(MAX_DEPTH).unwrap();
        let deeper = words(top.reaches(MAX_DEPTH + 1));
        assert!(deeper.contains("the folder f") && deeper.contains("256 folders"), "{deeper}");
        (0..MAX_ENTRIES).for_each(|_| top.counts().unwrap());
        let more = words(top.counts());
        assert!(more.contains("the folder f") && more.contains("4000000 files"), "{more}");
    }
}
