//! The zips that Girder streams: what comes out is what went in, or the end says that it is not.

use std::io::{self, Read};

use gantline::internal::girder::{Archive, ArchiveError};

use crate::archive::archive;

/// Paths and bytes, as far as they came whole, and how it ended.
type Walked = (Vec<(String, Vec<u8>)>, Result<(), ArchiveError>);

/// Reads an archive whose entries have these lengths.
fn walk(from: impl Read, sizes: &[usize]) -> Walked {
    let mut whole = Vec::new();
    let end = walk_into(&mut whole, from, sizes);
    (whole, end)
}

fn walk_into(
    whole: &mut Vec<(String, Vec<u8>)>,
    from: impl Read,
    sizes: &[usize],
) -> Result<(), ArchiveError> {
    let (mut archive, mut sizes) = (Archive::new(from), sizes.iter());
    while let Some(path) = archive.next_path()? {
        let Some(size) = sizes.next() else { return Ok(()) };
        archive.enter(*size as u64);
        let (mut bytes, mut buffer) = (Vec::new(), [0; 100]);
        loop {
            match archive.read(&mut buffer)? {
                0 => break,
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
        whole.push((path, bytes));
    }
    Ok(())
}

/// Gives so many bytes at once.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(self.1).min(buffer.len());
        let (piece, rest) = self.0.split_at(count);
        buffer[..count].copy_from_slice(piece);
        self.0 = rest;
        Ok(count)
    }
}

/// Files of seeded lengths, some of which are archives themselves.
fn files(random: &mut fastrand::Rng) -> Vec<(String, Vec<u8>)> {
    let file = |nth| {
        let mut bytes = vec![0; random.usize(0..700)];
        random.fill(&mut bytes);
        if random.u8(0..3) == 0 {
            bytes = archive(&[("inner", &bytes), ("inner", b"")]);
        }
        (format!("f/ä {nth}.bin"), bytes)
    };
    (0..6).map(file).collect()
}

fn packed(files: &[(String, Vec<u8>)]) -> (Vec<u8>, Vec<usize>) {
    let files: Vec<_> = files.iter().map(|(path, bytes)| (&**path, &**bytes)).collect();
    (archive(&files), files.iter().map(|(_, bytes)| bytes.len()).collect())
}

#[test]
fn what_girders_own_code_wrote_is_what_the_other_tests_write_and_is_read() {
    let corpus =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/girder_archive/three_files.bin");
    let bytes = std::fs::read(corpus).unwrap();
    // What the fuzz target is told stands before it.
    let bytes = &bytes[8..];
    let every: Vec<u8> = (0..=255).collect();
    let files = [("f/a.txt", &b"hello"[..]), ("f/b/c", b""), ("f/ä", &every)];
    assert_eq!(archive(&files), bytes);
    let (whole, end) = walk(bytes, &[5, 0, 256]);
    end.unwrap();
    let files = files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()));
    assert_eq!(whole, files);
}

#[test]
fn archives_of_any_files_come_out_as_they_are_in_whatever_pieces() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let files = files(&mut random);
        let (bytes, sizes) = packed(&files);
        let (whole, end) = walk(Pieces(&bytes, random.usize(1..300)), &sizes);
        assert!(end.is_ok() && whole == files, "seed {seed}: {end:?}");
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_gives_what_came_whole_and_an_error() {
    for seed in 0..4 {
        let files = files(&mut fastrand::Rng::with_seed(seed));
        let (bytes, sizes) = packed(&files);
        for cut in 0..bytes.len() {
            let (whole, end) = walk(&bytes[..cut], &sizes);
            assert!(matches!(end, Err(ArchiveError::Cut)), "seed {seed}, {cut}: {end:?}");
            assert!(files.starts_with(&whole), "seed {seed}, cut at {cut}");
        }
    }
}

#[test]
fn an_archive_with_a_wrong_byte_gives_no_wrong_file() {
    let files = files(&mut fastrand::Rng::with_seed(1));
    let (bytes, sizes) = packed(&files);
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x41;
        // A path may be another one then: whoever reads it knows what the paths are.
        let (whole, _) = walk(&*bytes, &sizes);
        let right = whole.iter().zip(&files).all(|((_, bytes), (_, right))| bytes == right);
        assert!(right, "the byte at {at}");
    }
}

#[test]
fn a_file_that_is_longer_or_shorter_than_the_listing_says_is_none() {
    let bytes = archive(&[("f/a", b"PK\x07\x08PK\x07\x08"), ("f/b", b"b")]);
    for size in [0, 4, 7, 9, 20, 5000] {
        let (whole, end) = walk(&*bytes, &[size, 1]);
        assert!(whole.is_empty() && end.is_err(), "{size}: {whole:?} {end:?}");
    }
}

#[test]
fn more_entries_than_two_bytes_count_are_read() {
    for count in [65_535, 65_536, 65_537] {
        let paths: Vec<_> = (0..count).map(|nth| format!("f/{nth}")).collect();
        let files: Vec<_> = paths.iter().map(|path| (&**path, &b"x"[..])).collect();
        let bytes = archive(&files);
        let (whole, end) = walk(&*bytes, &vec![1; count]);
        end.unwrap();
        assert!(whole.len() == count && whole[count - 1].0 == paths[count - 1]);
        let (_, end) = walk(&bytes[..bytes.len() - 1], &vec![1; count]);
        assert!(matches!(end, Err(ArchiveError::Cut)), "{end:?}");
    }
}

#[test]
fn what_girder_does_not_write_is_refused() {
    let good = archive(&[("f/a", b"0123456789")]);
    let altered = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (what, bytes) in [
        ("encrypted", altered(6, 9)),
        ("compressed: what it grows to is not known", altered(8, 8)),
        ("the length stands before the bytes", altered(6, 0)),
        ("a length twice", altered(18, 10)),
        ("more in the header", altered(28, 1)),
        ("a path that is no text", altered(30, 0xff)),
        ("no archive", b"<html>not found</html>".to_vec()),
        ("nothing", Vec::new()),
    ] {
        let (whole, end) = walk(&*bytes, &[10]);
        assert!(whole.is_empty() && end.is_err(), "{what}: {whole:?} {end:?}");
    }
    // The files of these are whole, and not all that there should be.
    let directory = good.len() - 22 - 49;
    let two = archive(&[("f/a", b"0123456789"), ("f/b", b"")]);
    for (what, bytes) in [
        ("one entry is told of twice", [&good[..directory + 49], &good[directory..]].concat()),
        ("one entry is not told of", [&good[..directory], &good[directory + 49..]].concat()),
        ("another count", altered(good.len() - 12, 2)),
        ("more behind the end", [&good[..], b"x"].concat()),
        ("the directory of another", [&good[..directory], &two[two.len() - 22 - 98..]].concat()),
    ] {
        let (whole, end) = walk(&*bytes, &[10]);
        assert!(whole.len() == 1 && end.is_err(), "{what}: {whole:?} {end:?}");
    }
}

#[test]
fn an_entry_is_read_before_the_next() {
    let bytes = archive(&[("f/a", b"a"), ("f/b", b"b")]);
    let mut archive = Archive::new(&*bytes);
    archive.next_path().unwrap();
    archive.enter(1);
    assert!(matches!(archive.next_path(), Err(ArchiveError::Unread)));
}
