//! What the engine, the container and Girder tell: frames, progress, listings.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::docker::frame;
use crate::event::JobProgress;
use crate::girder::{Archive, ArchiveError, FileRecord, FolderRecord, ItemRecord};
use crate::pump::Listen;
use crate::run::{FilterProgress, Names, ProgressLines};

/// An attach's bytes, in whatever pieces they come, are the same streams, or the same error; cut off, they are the beginning
/// of those streams. The first byte says how large the pieces are, and where the cut is.
pub fn docker_frames(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let decode = |bytes: &[u8], size: usize| {
        let mut decoder = frame::Decoder::new();
        let mut streams = [Vec::new(), Vec::new(), Vec::new()];
        for piece in bytes.chunks(size) {
            let mut rest = piece;
            while let Some(found) = decoder.next(rest)? {
                assert!(!found.payload.is_empty() && found.consumed >= found.payload.len());
                let stream = match found.stream {
                    frame::Stream::Stdin => 0,
                    frame::Stream::Stdout => 1,
                    frame::Stream::Stderr => 2,
                };
                streams[stream].extend_from_slice(found.payload);
                rest = rest.get(found.consumed..).unwrap_or_default();
            }
        }
        Ok::<_, frame::FrameError>((streams, decoder.ended()))
    };
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(whole, decode(bytes, usize::from(*size).max(1)), "a split matters");
    let cut = bytes.get(..bytes.len() * usize::from(*size) / 256).unwrap_or_default();
    if let (Ok((whole, _)), Ok((cut, _))) = (whole, decode(cut, cut.len().max(1))) {
        let is_beginning = whole.iter().zip(&cut).all(|(whole, cut)| whole.starts_with(cut));
        assert!(is_beginning, "what is cut off is something else");
    }
}

/// An archive, in whatever pieces it comes, has the same entries and the same end; cut off, it gives the first of them and is
/// not whole. The first byte says how large the pieces are, the second how many entries have a length that is known: each
/// has two bytes.
pub fn girder_archive(data: &[u8]) {
    let [size, count, rest @ ..] = data else { return };
    let Some((sizes, bytes)) = rest.split_at_checked(usize::from(*count) * 2) else { return };
    let walk = |bytes: &[u8], size: usize| {
        let (mut whole, mut sizes) = (Vec::new(), sizes.chunks_exact(2));
        let mut archive = Archive::new(Pieces(bytes, size));
        let mut walk = || {
            while let Some(path) = archive.next_path()? {
                let Some([low, high]) = sizes.next() else { return Ok(false) };
                archive.enter(u64::from(u16::from_le_bytes([*low, *high])));
                let (mut content, mut buffer) = (Vec::new(), [0; 1000]);
                loop {
                    match archive.read(&mut buffer)? {
                        0 => break,
                        count => content.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                    }
                }
                whole.push((path, content));
            }
            Ok::<_, ArchiveError>(true)
        };
        let end = walk().map_err(|error| error.to_string());
        (whole, end)
    };
    let (whole, end) = walk(bytes, bytes.len().max(1));
    assert!(whole.iter().map(|(_, content)| content.len()).sum::<usize>() <= bytes.len());
    let pieces = walk(bytes, usize::from(*size).max(1));
    assert_eq!((&whole, &end), (&pieces.0, &pieces.1), "a split matters");
    let (begun, cut) = walk(bytes.get(..bytes.len().saturating_sub(1)).unwrap_or_default(), 1000);
    assert!(whole.starts_with(&begun), "what is cut off is something else");
    assert!(end != Ok(true) || cut != Ok(true), "what is cut off is whole");
}

/// Gives so many bytes at once.
struct Pieces<'a>(&'a [u8], usize);

impl io::Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut piece, _) = self.0.split_at(self.0.len().min(self.1));
        let count = io::Read::read(&mut piece, buffer)?;
        self.0 = self.0.get(count..).unwrap_or_default();
        Ok(count)
    }
}

/// Standard output with Slicer's elements, in whatever pieces it comes, is the same text and the same progress, and no more
/// text than came. The first byte says how large the pieces are.
pub fn filter_progress(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let hear = |size: usize| {
        let (mut parser, mut text, mut told) = (FilterProgress::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            parser.hear(
                piece,
                |bytes| text.extend_from_slice(bytes),
                |progress| told.push(progress),
            );
        }
        text.extend(parser.end());
        (text, told)
    };
    let (text, told) = hear(bytes.len().max(1));
    assert!(text.len() <= bytes.len(), "more came out than went in");
    assert!(told.iter().all(|progress| progress.current.is_some_and(f64::is_finite)));
    assert_eq!((text, told), hear(usize::from(*size).max(1)), "a split matters");
}

/// Lines of progress, in whatever pieces they come, are the same progress and as many bad ones; a number is finite. The
/// first byte says how large the pieces are.
pub fn progress_lines(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let hear = |size: usize| {
        let (bad, told) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let tell = Arc::clone(&told);
        let tell =
            move |progress| tell.lock().unwrap_or_else(PoisonError::into_inner).push(progress);
        let mut lines = ProgressLines::new(Arc::clone(&bad), Arc::new(tell));
        bytes.chunks(size).for_each(|piece| lines.hear(piece));
        lines.ended();
        let told: Vec<JobProgress> = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (told, bad.load(Ordering::Relaxed))
    };
    let (told, bad) = hear(bytes.len().max(1));
    assert!(told.len() as u64 + bad <= bytes.split(|byte| *byte == b'\n').count() as u64);
    let numbers = told.iter().flat_map(|progress| [progress.total, progress.current]).flatten();
    assert!(numbers.into_iter().all(f64::is_finite));
    assert_eq!((told, bad), hear(usize::from(*size).max(1)), "a split matters");
}

/// A page of a listing is refused, or each of its names becomes one component of a path that no other of the page is.
pub fn girder_listing(data: &[u8]) {
    let names = |names: Vec<String>| {
        let (mut folder, mut taken) = (Names::default(), HashSet::new());
        for name in names {
            let name = folder.take(&name).name;
            assert!(!matches!(&*name, "" | "." | "..") && !name.contains(['/', '\0']), "{name:?}");
            assert!(name.len() <= 255 && !name.starts_with(".gantline-"), "{name:?}");
            assert!(taken.insert(name), "two of one name");
        }
    };
    if let Ok(files) = serde_json::from_slice::<Vec<FileRecord>>(data) {
        names(files.into_iter().map(|file| file.name).collect());
    }
    if let Ok(items) = serde_json::from_slice::<Vec<ItemRecord>>(data) {
        names(items.into_iter().map(|item| item.name).collect());
    }
    if let Ok(folders) = serde_json::from_slice::<Vec<FolderRecord>>(data) {
        names(folders.into_iter().map(|folder| folder.name).collect());
    }
}
