//! What the engine, the container and Girder tell: frames, progress, listings.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::docker::frame;
use crate::event::JobProgress;
use crate::girder::{FileRecord, FolderRecord, ItemRecord};
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
