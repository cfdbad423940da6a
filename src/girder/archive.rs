//! The zip of a folder or an item, as Girder writes it.
//!
//! Girder does not know how long a file is when it writes its header: the length and the CRC stand behind the bytes, which
//! are not compressed. Where such an entry ends is not to be seen, least of all if it is a zip itself, and so no crate
//! reads these archives as they come (`zip` and `async_zip` refuse them, `rc-zip` wants the directory at the end first).
//! Who knows from the listing how long each file is can. This reads what Girder writes, and refuses everything else:
//! nothing is decompressed, and no name leads anywhere before it was found in the listing.

use std::io::{self, BufReader, ErrorKind, Read};

use crc32fast::Hasher;
use thiserror::Error;

/// An archive that is being read, entry for entry.
#[derive(Debug)]
pub struct Archive<R> {
    from: BufReader<R>,
    entries: u64,
    entry: Option<Entry>,
}

/// An entry that is being read.
#[derive(Debug)]
struct Entry {
    size: u64,
    remaining: u64,
    crc: Hasher,
}

/// Why an archive cannot be read on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Nothing more comes.
    #[error("the archive breaks off")]
    Cut,
    /// It could not be read.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// It is no archive, or none as Girder writes it.
    #[error("{0} is not as Girder writes it")]
    Other(&'static str),
    /// An entry is not as long as it should be, or its CRC is another one.
    #[error("an entry of the archive is not what it should be")]
    Damaged,
    /// The caller has not read an entry to its end.
    #[error("bug in Gantline: the entry before has not been read")]
    Unread,
}

impl<R: Read> Archive<R> {
    /// Nothing is read yet.
    pub fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(BUFFER, from), entries: 0, entry: None }
    }

    /// The path of the next entry, which may be anything. None: the archive is over, and whole.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing more can be read then.
    pub fn next_path(&mut self) -> Result<Option<String>, ArchiveError> {
        if self.entry.is_some() {
            return Err(ArchiveError::Unread);
        }
        match self.array()? {
            ENTRY => {}
            signature => return self.directory(signature).map(|()| None),
        }
        // Version, flags, method, time, date, CRC, two lengths, the lengths of the name and of what else there is.
        let header: [u8; 26] = self.array()?;
        if number(&header, 2, 2) & !UTF8 != LENGTH_BEHIND
            || number(&header, 4, 2) != STORED
            || header[10..22].iter().any(|byte| *byte != 0)
            || number(&header, 24, 2) != 0
        {
            return Err(ArchiveError::Other("an entry"));
        }
        let mut path = vec![0; usize::try_from(number(&header, 22, 2)).unwrap_or_default()];
        self.fill(&mut path)?;
        self.entries += 1;
        let path = String::from_utf8(path);
        path.map(Some).map_err(|_| ArchiveError::Other("the path of an entry"))
    }

    /// The entry whose path was given last has so many bytes. It is read to its end then.
    pub fn enter(&mut self, size: u64) {
        self.entry = Some(Entry { size, remaining: size, crc: Hasher::new() });
    }

    /// Fills `buffer` as far as the entry goes, and says with how many bytes. 0: all of them have been read, and are
    /// what Girder sent.
    ///
    /// # Errors
    /// [`ArchiveError`]; what was read of the entry is of no use then.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let Some(mut entry) = self.entry.take() else { return Ok(0) };
        if entry.remaining == 0 {
            self.behind(&entry)?;
            return Ok(0);
        }
        let count = usize::try_from(entry.remaining).unwrap_or(usize::MAX).min(buffer.len());
        let piece = &mut buffer[..count];
        self.fill(piece)?;
        entry.crc.update(piece);
        entry.remaining -= count as u64;
        self.entry = Some(entry);
        Ok(count)
    }

    /// What stands behind the bytes of an entry: its CRC, and its length twice.
    fn behind(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        let (signature, crc): ([u8; 4], [u8; 4]) = (self.array()?, self.array()?);
        let lengths = if entry.size > LONGEST {
            let lengths: [u8; 16] = self.array()?;
            [number(&lengths, 0, 8), number(&lengths, 8, 8)]
        } else {
            let lengths: [u8; 8] = self.array()?;
            [number(&lengths, 0, 4), number(&lengths, 4, 4)]
        };
        let crc = u32::from_le_bytes(crc);
        let is_right = crc == entry.crc.clone().finalize() && lengths == [entry.size; 2];
        (signature == BEHIND && is_right).then_some(()).ok_or(ArchiveError::Damaged)
    }

    /// The directory at the end. It says nothing that is not known, but that nothing is missing.
    fn directory(&mut self, mut signature: [u8; 4]) -> Result<(), ArchiveError> {
        let mut listed = 0;
        while signature == LISTED {
            let record: [u8; 42] = self.array()?;
            self.skip(number(&record, 24, 2) + number(&record, 26, 2) + number(&record, 28, 2))?;
            listed += 1;
            if listed > self.entries {
                return Err(ArchiveError::Other("the directory"));
            }
            signature = self.array()?;
        }
        if signature == LONG_END {
            let length: [u8; 8] = self.array()?;
            if number(&length, 0, 8) != LONG_END_LENGTH {
                return Err(ArchiveError::Other("the end"));
            }
            self.skip(LONG_END_LENGTH)?;
            if self.array()? != LOCATOR {
                return Err(ArchiveError::Other("the end"));
            }
            self.skip(16)?;
            signature = self.array()?;
        }
        if signature != END || listed != self.entries {
            return Err(ArchiveError::Other("the directory"));
        }
        let end: [u8; 18] = self.array()?;
        let told = self.entries.min(0xffff);
        let mut more = [0];
        let is_over = self.from.read(&mut more).map_err(ArchiveError::Read)? == 0;
        let is_right = number(&end, 4, 2) == told && number(&end, 6, 2) == told;
        let is_right = is_right && number(&end, 16, 2) == 0 && is_over;
        is_right.then_some(()).ok_or(ArchiveError::Other("the end"))
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), ArchiveError> {
        let mut scratch = [0; 512];
        while bytes > 0 {
            let count = usize::try_from(bytes).unwrap_or(usize::MAX).min(scratch.len());
            self.fill(&mut scratch[..count])?;
            bytes -= count as u64;
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut array = [0; N];
        self.fill(&mut array).map(|()| array)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        self.from.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => ArchiveError::Cut,
            _ => ArchiveError::Read(error),
        })
    }
}

/// The number in `count` bytes from `at` on.
fn number(bytes: &[u8], at: usize, count: usize) -> u64 {
    let bytes = bytes.iter().skip(at).take(count).rev();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What each part begins with.
const ENTRY: [u8; 4] = *b"PK\x03\x04";
const BEHIND: [u8; 4] = *b"PK\x07\x08";
const LISTED: [u8; 4] = *b"PK\x01\x02";
const LONG_END: [u8; 4] = *b"PK\x06\x06";
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const END: [u8; 4] = *b"PK\x05\x06";

/// The flag of an entry whose length stands behind it.
const LENGTH_BEHIND: u64 = 1 << 3;

/// The flag of an entry whose path is UTF-8. Girder's is, and does not say so.
const UTF8: u64 = 1 << 11;

/// The method of what is not compressed.
const STORED: u64 = 0;

/// The longest entry whose length is written in four bytes. A zip would allow twice as much; Girder does not.
const LONGEST: u64 = (1 << 31) - 1;

/// Bytes of the end record of an archive with many or long entries, behind this length.
const LONG_END_LENGTH: u64 = 44;

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_a_long_entry_have_eight_bytes() {
        for (size, width) in [(LONGEST, 4), (LONGEST + 1, 8), (1 << 32, 8), (5 << 40, 8)] {
            let length = &u64::to_le_bytes(size)[..width];
            let end = archive_end();
            let bytes = [&BEHIND[..], &[0; 4], length, length, &end].concat();
            for cut in 0..bytes.len() - end.len() {
                assert!(matches!(behind(size, &bytes[..cut]), Err(ArchiveError::Cut)), "{size}");
            }
            behind(size, &bytes).unwrap();
            assert!(matches!(behind(size - 1, &bytes), Err(ArchiveError::Damaged)), "{size}");
        }
    }

    /// Reads what stands behind an entry of so many bytes, and nothing in it, and then the end.
    fn behind(size: u64, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut archive = Archive::new(bytes);
        archive.entry = Some(Entry { size, remaining: 0, crc: Hasher::new() });
        archive.read(&mut [])?;
        archive.next_path().map(|path| assert_eq!(path, None))
    }

    /// The end of an archive without an entry.
    fn archive_end() -> [u8; 22] {
        let mut end = [0; 22];
        end[..4].copy_from_slice(&END);
        end
    }
}
