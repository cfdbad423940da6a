//! What a measurement brings with it: a folder with the file that is moved, and the depot that
//! serves it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};

use nix::sys::statvfs::statvfs;
use uuid::Uuid;

use super::case::{Case, SMALL_FILE};
use super::child::{Canceller, Process};
use super::error::BenchError;
use super::measure::Options;
use super::message::{small_files, source_file};
use super::peer::{each_piece, noise};
use crate::depot;
use crate::volume::{RecordFolders, TempDirectory};

/// The folder of a measurement. It goes with everything in it, and if the measurement is killed
/// with the next `gantline prune`.
#[derive(Debug)]
pub(super) struct Folder(TempDirectory);

impl Folder {
    /// Makes it in another folder, with a file of so many bytes that is in memory and on the disk.
    pub(super) fn make(options: &Options, canceller: &Canceller) -> Result<Self, BenchError> {
        let (within, size) = (options.folder.as_path(), options.size);
        let failed = |path: &Path, source| BenchError::Prepare { path: path.to_owned(), source };
        let space = statvfs(within).map_err(|errno| failed(within, errno.into()))?;
        let free = space.blocks_available().saturating_mul(space.fragment_size());
        let has_small = options.cases.iter().any(|case| case.has_many());
        let small = if has_small { options.files } else { 0 };
        // The files, and what is made of them; a small one takes a page.
        let of_small = u64::try_from(small).unwrap_or(u64::MAX).saturating_mul(PAGE);
        let needed = size.saturating_add(of_small).saturating_mul(2);
        if free < needed {
            return Err(BenchError::NoSpace { folder: within.to_owned(), needed, free });
        }
        let records = match &options.record_folder {
            Some(folder) => RecordFolders::only(folder),
            None => RecordFolders::usual(within),
        };
        let record = records.begin(&format!("bench-{}", Uuid::new_v4().simple()));
        let folder = TempDirectory::create(within, &record).map_err(BenchError::Folder)?;
        let file = source_file(folder.path());
        let store = file.parent().unwrap_or_else(|| folder.path());
        fs::create_dir(store).map_err(|source| failed(store, source))?;
        let files = small_files(folder.path());
        fs::create_dir(&files).map_err(|source| failed(&files, source))?;
        let of_one = fill(&file, size, canceller).map_err(|source| (&file, source));
        let of_all = of_one
            .and_then(|()| fill_many(&files, small, canceller).map_err(|source| (&files, source)));
        match of_all {
            Err(_) if canceller.is_cancelled() => Err(BenchError::Cancelled),
            filled => filled.map(|()| Self(folder)).map_err(|(path, source)| failed(path, source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes what the last run has made.
    pub(super) fn sweep(&self) -> Result<(), BenchError> {
        let failed = |path: &Path, source| BenchError::Prepare { path: path.to_owned(), source };
        let entries = fs::read_dir(self.path()).map_err(|source| failed(self.path(), source))?;
        for entry in entries {
            let entry = entry.map_err(|source| failed(self.path(), source))?;
            let kind = entry.file_type().map_err(|source| failed(&entry.path(), source))?;
            if !kind.is_dir() && entry.file_name() != AUTHORITY {
                fs::remove_file(entry.path()).map_err(|source| failed(&entry.path(), source))?;
            }
        }
        Ok(())
    }

    /// Where the TLS server puts its authority's certificate.
    pub(super) fn authority(&self) -> PathBuf {
        self.path().join(AUTHORITY)
    }

    /// Removes it, and says if that cannot be done.
    pub(super) fn remove(mut self) -> Result<(), BenchError> {
        self.0.remove().map_err(BenchError::Folder)
    }
}

const AUTHORITY: &str = "authority.pem";

fn fill(path: &Path, size: u64, canceller: &Canceller) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let block = noise(1 << 20);
    each_piece(size, block.len(), |length| {
        if canceller.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        file.write_all(block.get(..length).unwrap_or_default())
    })?;
    // Writing it back later would be in the way of what is measured.
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Small files of the same bytes: no two in one folder are told apart by them.
fn fill_many(folder: &Path, files: usize, canceller: &Canceller) -> io::Result<()> {
    let bytes = noise(usize::try_from(SMALL_FILE).unwrap_or_default());
    for nth in 0..files {
        if canceller.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        fs::write(folder.join(format!("{nth:06}")), &bytes)?;
    }
    Ok(())
}

/// What a small file takes of a file system.
const PAGE: u64 = 4 << 10;

/// `gantline depot` at work.
#[derive(Debug)]
pub(super) struct Store {
    /// `http://…/api/v1`.
    pub(super) url: String,
    /// The id of the file, or of the folder of small ones.
    pub(super) id: String,
    /// It ends with this, should we be killed.
    _heard: ChildStdin,
    _process: Process,
}

impl Store {
    /// Starts it.
    pub(super) fn start(
        options: &Options,
        folder: &Folder,
        case: Case,
        canceller: &Canceller,
    ) -> Result<Self, BenchError> {
        let mut command = Command::new(&options.program);
        let file = source_file(folder.path());
        let (served, files) = match case.has_many() {
            true => (small_files(folder.path()), options.files),
            false => (file.parent().unwrap_or(&file).to_owned(), 1),
        };
        command.arg("depot").arg(served).args(["--listen", "127.0.0.1:0", "--while-heard"]);
        let mut process = Process::spawn(NAME, &mut command, canceller)?;
        let said = || -> Option<(String, String, ChildStdin)> {
            let (heard, output) = process.streams()?;
            let mut lines = output.lines().map_while(Result::ok);
            let url = lines.next()?.strip_prefix("serving on ")?.to_owned();
            // An id, the size, the path. It serves when all lines have been read.
            let last = lines.take(files).last()?;
            let id = match case.has_many() {
                true => depot::root_folder(),
                false => last.split_whitespace().next()?.to_owned(),
            };
            Some((url, id, heard))
        };
        let Some((url, id, heard)) = { said }() else {
            if canceller.is_cancelled() {
                return Err(BenchError::Cancelled);
            }
            let message = "it has not begun to serve".to_owned();
            return Err(BenchError::Child { case, name: NAME, message });
        };
        Ok(Self { url, id, _heard: heard, _process: process })
    }

    /// Where the file is read.
    pub(super) fn file(&self) -> String {
        format!("{}/file/{}/download", self.url, self.id)
    }
}

const NAME: &str = "the depot";
