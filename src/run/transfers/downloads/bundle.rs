//! Many small files in one zip of Girder's, in place of one or two requests each.
//!
//! The listing stays the source of truth. It says what is to come, how long each file is and where it is put, exactly as
//! without the zip; an entry that is not in it ends the zip. What has not come whole by then, with the CRC that Girder gives,
//! is asked for in the ordinary way, whose outcome is the run's.
//!
//! An item is taken for one file of its name until its first entry shows that it has several; they are listed then.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::landing::{Landing, Missed, Pieces};
use super::listing::{Lister, Stop};
use super::wanted::Origin;
use crate::run::outcome::DownloadCarrier;
use crate::store::{Archive, ArchiveError, FileRecord, ItemRecord};

/// What is to come in one zip.
pub(super) struct Bundle<'a> {
    lister: &'a Lister<'a>,
    /// What each path begins with: the name of the whole.
    prefix: String,
    files: Files,
    has_sums: bool,
}

/// What the listing says is to come.
struct Files {
    /// By their paths behind the prefix.
    expected: HashMap<String, Expected>,
    /// What is to come in the ordinary way.
    left: Vec<Expected>,
    /// Whether each path can mean only one thing.
    is_fit: bool,
}

enum Expected {
    Item(ItemRecord, PathBuf),
    File(FileRecord, PathBuf),
}

/// Whether a zip is quicker, of files, or items, of these lengths. One whose length is not known lies elsewhere.
pub(super) fn is_worth_it(sizes: impl IntoIterator<Item = Option<u64>>) -> bool {
    let (mut count, mut bytes) = (0, 0_u64);
    for size in sizes {
        let Some(size) = size else { return false };
        count += 1;
        bytes = bytes.saturating_add(size);
    }
    count >= FEWEST as u64 && bytes / count <= LARGEST_MEAN
}

impl Files {
    fn new() -> Self {
        Self { expected: HashMap::new(), left: Vec::new(), is_fit: true }
    }

    /// Whether more can be remembered.
    fn have_room(&self) -> bool {
        self.expected.len() < MOST
    }

    fn expect(&mut self, path: String, is_plain: bool, what: Expected) {
        // Girder writes names up to their first NUL.
        self.is_fit &= is_plain && !path.contains('\0');
        if let Some(other) = self.expected.insert(path, what) {
            self.is_fit = false;
            self.left.push(other);
        }
    }
}

impl<'a> Bundle<'a> {
    /// Of the folder, or the item, of that name.
    pub(super) fn new(lister: &'a Lister<'a>, name: &str) -> Self {
        // As Python joins paths.
        let prefix = if name.ends_with('/') { name.to_owned() } else { format!("{name}/") };
        Self { lister, prefix, files: Files::new(), has_sums: false }
    }

    /// Whether a file has a sum that it is to be held against.
    pub(super) fn has_sums(&self) -> bool {
        self.has_sums
    }

    /// Whether more can be remembered.
    pub(super) fn has_room(&self) -> bool {
        self.files.have_room()
    }

    pub(super) fn expect_item(&mut self, item: ItemRecord, inside: PathBuf) {
        let is_plain = !item.name.contains('/');
        self.files.expect(item.name.clone(), is_plain, Expected::Item(item, inside));
    }

    /// A file of an item whose files are alone in the zip.
    pub(super) fn expect_file(&mut self, file: FileRecord, inside: PathBuf) {
        self.expect_at(file.name.clone(), file, inside);
    }

    /// An item of a folder, whose files are asked for.
    pub(super) fn expect_item_of_files(
        &mut self,
        item: &ItemRecord,
        inside: &Path,
    ) -> Result<(), Stop> {
        let (is_alone, files) = self.lister.files_of(item, inside)?;
        self.files.is_fit &= !item.name.contains('/');
        for (record, inside) in files {
            let path = match is_alone {
                true => item.name.clone(),
                false => format!("{}/{}", item.name, record.name),
            };
            self.expect_at(path, record, inside);
        }
        Ok(())
    }

    fn expect_at(&mut self, path: String, file: FileRecord, inside: PathBuf) {
        // Joined to anything, a path that begins so is itself.
        let is_plain = !file.name.starts_with('/');
        self.has_sums |= self.lister.sum_of(&file).is_some();
        self.files.expect(path, is_plain, Expected::File(file, inside));
    }

    /// Puts what comes into its places, and asks for the rest.
    pub(super) fn receive(mut self, archive: Archive<impl Read>) -> Result<(), Stop> {
        if self.files.is_fit {
            match self.receive_entries(archive) {
                Ok(()) => {}
                Err(Missed::Stop(stop)) => return Err(stop),
                Err(Missed::Source(error)) => {
                    let (zip, missing) =
                        (&self.prefix, self.files.expected.len() + self.files.left.len());
                    tracing::debug!(zip, missing, %error, "a zip ends early");
                }
            }
        }
        self.ask_for_the_rest()
    }

    /// Asks for what has not come.
    pub(super) fn ask_for_the_rest(self) -> Result<(), Stop> {
        let mut items = Vec::new();
        for what in self.files.expected.into_values().chain(self.files.left) {
            match what {
                Expected::Item(item, inside) => items.push((item, inside)),
                Expected::File(file, inside) => self.lister.file(file, inside)?,
            }
        }
        self.lister.list_items(items);
        Ok(())
    }

    fn receive_entries(
        &mut self,
        mut archive: Archive<impl Read>,
    ) -> Result<(), Missed<ArchiveError>> {
        let mut buffer = vec![0; PIECE];
        while let Some(path) = archive.next_path()? {
            let path = path.strip_prefix(&self.prefix).ok_or(UNKNOWN)?;
            if !self.files.expected.contains_key(path)
                && let Some((item, _)) = path.split_once('/')
                && let Some(Expected::Item(item, inside)) = self.files.expected.remove(item)
            {
                self.expect_item_of_files(&item, &inside).map_err(Missed::Stop)?;
            }
            if !self.files.is_fit {
                return Err(UNKNOWN.into());
            }
            let what = self.files.expected.remove(path).ok_or(UNKNOWN)?;
            let received = self.receive_one(&mut archive, &mut buffer, &what);
            if !matches!(received, Ok(true)) {
                self.files.left.push(what);
            }
            received?;
        }
        Ok(())
    }

    /// Whether it has come.
    fn receive_one(
        &self,
        archive: &mut Archive<impl Read>,
        buffer: &mut [u8],
        what: &Expected,
    ) -> Result<bool, Missed<ArchiveError>> {
        let began = Instant::now();
        let landing = self.landing(what, began);
        archive.enter(landing.size.ok_or(UNKNOWN)?);
        let mut entry = Entering::begin(archive, buffer, landing.size)?;
        if entry.is_address() {
            return Ok(false);
        }
        self.lister.counts().map_err(Missed::Stop)?;
        landing.land(self.lister.crew, &mut entry).map(|()| true)
    }

    fn landing(&self, what: &Expected, began: Instant) -> Landing {
        let (origin, inside, size, sha512) = match what {
            Expected::Item(item, inside) => {
                let (id, name) = (item.id.clone(), item.name.clone());
                (Origin::Item { id, name }, inside, item.size, None)
            }
            Expected::File(file, inside) => {
                let (id, name) = (file.id.clone(), file.name.clone());
                let sum = self.lister.sum_of(file).map(str::to_owned);
                (Origin::File { id, name }, inside, file.size, sum)
            }
        };
        let (download, inside) = (self.lister.download(), inside.clone());
        Landing { download, origin, inside, size, sha512, carrier: DownloadCarrier::Zip, began }
    }
}

/// An entry whose first piece has been read.
struct Entering<'a, R> {
    archive: &'a mut Archive<R>,
    buffer: &'a mut [u8],
    first: usize,
    /// The first piece is all, and has been checked.
    is_whole: bool,
    is_begun: bool,
}

impl<'a, R: Read> Entering<'a, R> {
    fn begin(
        archive: &'a mut Archive<R>,
        buffer: &'a mut [u8],
        size: Option<u64>,
    ) -> Result<Self, ArchiveError> {
        let first = archive.read(buffer)?;
        let is_whole = size == Some(first as u64);
        if is_whole {
            archive.read(&mut [])?;
        }
        Ok(Self { archive, buffer, first, is_whole, is_begun: false })
    }

    /// Of a file that is a link to somewhere else, Girder writes where it leads to.
    fn is_address(&self) -> bool {
        let text = self.buffer.get(..self.first).unwrap_or_default();
        self.is_whole && (text.starts_with(b"http:") || text.starts_with(b"https:"))
    }
}

impl<R: Read> Pieces for Entering<'_, R> {
    type Error = ArchiveError;

    fn next_piece(&mut self) -> Result<&[u8], ArchiveError> {
        let count = match (self.is_begun, self.is_whole) {
            (false, _) => self.first,
            (true, true) => 0,
            (true, false) => self.archive.read(self.buffer)?,
        };
        self.is_begun = true;
        Ok(self.buffer.get(..count).unwrap_or_default())
    }
}

impl From<ArchiveError> for Missed<ArchiveError> {
    fn from(error: ArchiveError) -> Self {
        Self::Source(error)
    }
}

const UNKNOWN: ArchiveError = ArchiveError::Other("an entry that is not in the listing");

/// Files for which a zip is asked for: for fewer, what it saves is little.
pub(super) const FEWEST: usize = 16;

/// Bytes of a file, on average, up to which a zip is quicker than four files side by side.
const LARGEST_MEAN: u64 = 1024 * 1024;

/// Items that one zip may have: they are remembered until they come.
const MOST: usize = 50_000;

/// Bytes that are written at once. A file of as many is looked at as a whole before it is anywhere.
const PIECE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_is_asked_for_where_there_are_many_files_that_are_small() {
        let of = |count: usize, size: u64| is_worth_it(std::iter::repeat_n(Some(size), count));
        assert!(of(FEWEST, LARGEST_MEAN) && of(MOST, 0));
        assert!(!of(FEWEST - 1, 0) && !of(FEWEST, LARGEST_MEAN + 1) && !of(0, 0));
        let one_is_elsewhere = std::iter::repeat_n(Some(1), FEWEST).chain([None]);
        assert!(!is_worth_it(one_is_elsewhere));
    }

    #[test]
    fn so_many_items_are_remembered_and_no_more() {
        let mut files = Files::new();
        for nth in 0..MOST {
            assert!(files.have_room(), "{nth}");
            let item = serde_json::from_str(r#"{"_id": "5f", "name": "x"}"#).unwrap();
            files.expect(nth.to_string(), true, Expected::Item(item, PathBuf::new()));
        }
        assert!(!files.have_room());
    }
}
