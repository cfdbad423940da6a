//! The bytes of a pipe, gathered into chunks in a file that has room for two.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::unix::fs::FileExt;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::course::CHUNK;
use crate::span::carried;

/// The chunks of a pipe, as they become whole.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) size: u64,
    pub(super) gathered: Receiver<Gathered>,
    /// Gives a place in the file back.
    pub(super) free: Sender<()>,
}

/// What the gathering thread says.
#[derive(Debug)]
pub(super) enum Gathered {
    /// So many bytes more make a chunk, or all that is left of one.
    Chunk(u64),
    /// The pipe has ended, after so many bytes.
    Ended(u64),
    /// The pipe has more than it was to have.
    More,
    Failed(io::Error),
}

impl Chunks {
    /// Gathers the chunks of a pipe in a file, in a thread of its own.
    pub(super) fn gather(mut pipe: PipeReader, file: File, size: u64) -> io::Result<Self> {
        let (teller, gathered) = bounded(PLACES + 1);
        let (free, places) = bounded(PLACES);
        for _ in 0..PLACES {
            let _ = free.try_send(());
        }
        let work = move || {
            let last = match gather(&mut pipe, (&file, size, CHUNK), (&teller, &places)) {
                Ok(Some(last)) => last,
                // Nobody wants to know any more: whoever writes is refused.
                Ok(None) => return,
                Err(error) => Gathered::Failed(error),
            };
            let _ = teller.send(last);
        };
        thread::Builder::new().name("gantline-gather".into()).spawn(carried(work))?;
        Ok(Self { size, gathered, free })
    }
}

fn gather(
    pipe: &mut PipeReader,
    (file, size, chunk): (&File, u64, u64),
    (teller, places): (&Sender<Gathered>, &Receiver<()>),
) -> io::Result<Option<Gathered>> {
    let mut buffer = vec![0; BUFFER];
    let mut at = 0;
    while at < size {
        if places.recv().is_err() {
            return Ok(None);
        }
        let begin = at;
        let end = (begin + chunk).min(size);
        while at < end {
            let room = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
            let bytes = read(pipe, buffer.get_mut(..room).unwrap_or_default())?;
            if bytes.is_empty() {
                return Ok(Some(Gathered::Ended(at)));
            }
            file.write_all_at(bytes, at % (chunk * PLACES as u64))?;
            at += bytes.len() as u64;
        }
        if teller.send(Gathered::Chunk(at - begin)).is_err() {
            return Ok(None);
        }
    }
    let one_more = read(pipe, buffer.get_mut(..1).unwrap_or_default())?;
    Ok(Some(if one_more.is_empty() { Gathered::Ended(at) } else { Gathered::More }))
}

fn read<'a>(pipe: &mut PipeReader, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        match pipe.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(bytes) => return Ok(buffer.get(..bytes).unwrap_or_default()),
        }
    }
}

/// How much was gathered, and whether what ends there may be sent. Pure.
#[derive(Debug)]
pub(super) struct Count {
    size: u64,
    there: u64,
    /// All of it is there, and wanted.
    is_kept: bool,
}

impl Count {
    pub(super) fn new(size: u64) -> Self {
        Self { size, there: 0, is_kept: false }
    }

    /// Whether the chunk that ends there may be sent. Girder makes a file of the last one: that
    /// waits until the pipe has ended.
    pub(super) fn may_send(&self, end: u64) -> bool {
        self.there >= end && (end < self.size || self.is_kept)
    }

    /// So many bytes more are there.
    pub(super) fn gathered(&mut self, bytes: u64) {
        self.there += bytes;
    }

    /// The pipe has ended after so many bytes, and they are wanted. False: there should be more.
    #[must_use]
    pub(super) fn ended(&mut self, found: u64) -> bool {
        self.is_kept = found >= self.size;
        self.is_kept
    }
}

/// Chunks that the file has places for: one is sent while the next is gathered.
const PLACES: usize = 2;

/// Bytes of the file; what comes later takes the place of what was sent.
pub(super) const RING: u64 = CHUNK * PLACES as u64;

/// What is read out of the pipe at once.
const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What is said of these bytes where so many are expected, in chunks of four, and what the file
    /// has then; places are given back at once.
    fn said(bytes: &[u8], size: u64) -> (Vec<Gathered>, Vec<u8>) {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(bytes).unwrap();
        drop(writer);
        let file = tempfile::tempfile().unwrap();
        let (teller, told) = crossbeam_channel::unbounded();
        let (free, places) = crossbeam_channel::unbounded();
        (0..100).for_each(|_| free.send(()).unwrap());
        let last = gather(&mut reader, (&file, size, 4), (&teller, &places)).unwrap();
        let mut kept = vec![0; 8];
        let length = file.read_at(&mut kept, 0).unwrap();
        kept.truncate(length);
        (told.try_iter().chain(last).collect(), kept)
    }

    #[test]
    fn chunks_are_told_as_they_become_whole_and_take_turns_in_the_file() {
        let (said, kept) = said(b"0123456789", 10);
        let chunks = [Gathered::Chunk(4), Gathered::Chunk(4), Gathered::Chunk(2)];
        let expected: Vec<_> = chunks.into_iter().chain([Gathered::Ended(10)]).collect();
        assert_eq!(format!("{said:?}"), format!("{expected:?}"));
        assert_eq!(kept, b"89234567");
    }

    #[test]
    fn fewer_bytes_and_more_bytes_than_expected_are_told() {
        assert!(matches!(said(b"01234", 10).0[..], [Gathered::Chunk(4), Gathered::Ended(5)]));
        assert!(matches!(said(b"", 10).0[..], [Gathered::Ended(0)]));
        assert!(matches!(said(b"01234", 4).0[..], [Gathered::Chunk(4), Gathered::More]));
        assert!(matches!(said(b"", 0).0[..], [Gathered::Ended(0)]));
    }

    #[test]
    fn who_is_not_heard_any_more_stops() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"01234").unwrap();
        let file = tempfile::tempfile().unwrap();
        let (teller, told) = bounded(9);
        let (free, places) = bounded::<()>(9);
        drop((told, free));
        let last = gather(&mut reader, (&file, 10, 4), (&teller, &places)).unwrap();
        assert!(last.is_none());
    }

    #[test]
    fn the_last_chunk_waits_for_the_end() {
        let mut count = Count::new(10);
        assert!(!count.may_send(4));
        count.gathered(4);
        assert!(count.may_send(4) && !count.may_send(8));
        count.gathered(6);
        assert!(count.may_send(8) && !count.may_send(10));
        assert!(count.ended(10) && count.may_send(10));
        let mut short = Count::new(10);
        short.gathered(4);
        assert!(!short.ended(4) && !short.may_send(10));
        let mut empty = Count::new(0);
        assert!(!empty.may_send(0));
        assert!(empty.ended(0) && empty.may_send(0));
    }
}
