//! The children of a measurement, each a process of its own: its CPU is not counted as the pump's.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

use super::error::PeerError;
use super::message::{Message, hear, now, say};
use super::{attach, girder, mover, ordinary, server};
use crate::sys::pipe::PIPE_BYTES;

/// What a child process is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Moves, by a pump of its own.
    Move,
    /// Moves, by the command as it is used: a run with a container, or an upload.
    Run,
    /// Reads a FIFO to its end.
    Read(PathBuf),
    /// Writes so many bytes into a FIFO.
    Write(PathBuf, u64),
    /// Connects to a socket and writes so many bytes of stdout in the engine's frames.
    Frames(PathBuf, u64),
    /// Serves so many bytes to each GET, in chunks.
    ServeChunked(u64),
    /// Takes POSTs of so many bytes in chunks, and throws them away.
    TakePosts(u64),
    /// Serves so many bytes to each GET over TLS; its authority's certificate goes into the file.
    ServeTls(PathBuf, u64),
    /// Serves a file, and tells its sum.
    ServeSummed(PathBuf),
    /// Takes files of so many bytes, and throws them away.
    TakeFiles(u64),
}

impl Role {
    /// The arguments that [`Role::parse`] understands.
    pub(super) fn arguments(&self) -> Vec<std::ffi::OsString> {
        let (name, path, bytes) = match self {
            Self::Move => ("move", None, None),
            Self::Run => ("run", None, None),
            Self::Read(path) => ("read", Some(path), None),
            Self::Write(path, bytes) => ("write", Some(path), Some(bytes)),
            Self::Frames(path, bytes) => ("frames", Some(path), Some(bytes)),
            Self::ServeChunked(bytes) => ("serve-chunked", None, Some(bytes)),
            Self::TakePosts(bytes) => ("take-posts", None, Some(bytes)),
            Self::ServeTls(path, bytes) => ("serve-tls", Some(path), Some(bytes)),
            Self::ServeSummed(path) => ("serve-summed", Some(path), None),
            Self::TakeFiles(bytes) => ("take-files", None, Some(bytes)),
        };
        let path = path.map(|path| path.clone().into_os_string());
        let bytes = bytes.map(|bytes| bytes.to_string().into());
        [Some(name.into()), path, bytes].into_iter().flatten().collect()
    }

    /// The role that the arguments name.
    pub fn parse(arguments: &[std::ffi::OsString]) -> Option<Self> {
        let (name, rest) = arguments.split_first()?;
        let number = |text: &std::ffi::OsString| text.to_str()?.parse().ok();
        Some(match (name.to_str()?, rest) {
            ("move", []) => Self::Move,
            ("run", []) => Self::Run,
            ("read", [path]) => Self::Read(path.into()),
            ("write", [path, bytes]) => Self::Write(path.into(), number(bytes)?),
            ("frames", [path, bytes]) => Self::Frames(path.into(), number(bytes)?),
            ("serve-chunked", [bytes]) => Self::ServeChunked(number(bytes)?),
            ("take-posts", [bytes]) => Self::TakePosts(number(bytes)?),
            ("serve-tls", [path, bytes]) => Self::ServeTls(path.into(), number(bytes)?),
            ("serve-summed", [path]) => Self::ServeSummed(path.into()),
            ("take-files", [bytes]) => Self::TakeFiles(number(bytes)?),
            _ => return None,
        })
    }

    /// Plays the role, as `program` if it has children of its own. What goes wrong is said to the
    /// measuring process, which is on the other side of `input` and `out`.
    ///
    /// # Errors
    /// [`PeerError`]; it has been told already, if anybody listens.
    pub fn play(
        &self,
        program: &Path,
        mut input: Box<dyn BufRead + Send>,
        out: &mut dyn Write,
    ) -> Result<(), PeerError> {
        let played = match self {
            Self::Move => mover::serve(input, out),
            Self::Run => ordinary::serve(program, input, out),
            Self::Read(path) => read(path, &mut input, out),
            Self::Write(path, bytes) => write(path, *bytes, &mut input, out),
            Self::Frames(path, bytes) => frames(path, *bytes, &mut input, out),
            Self::ServeChunked(bytes) => server::chunked(*bytes, out),
            Self::TakePosts(bytes) => server::posts(*bytes, out),
            Self::ServeTls(path, bytes) => server::tls(path, *bytes, out),
            Self::ServeSummed(path) => girder::summed(path, out),
            Self::TakeFiles(bytes) => girder::uploads(*bytes, out),
        };
        if let Err(error) = &played {
            say(out, &Message::Failed(crate::run::chain(error)))?;
        }
        played
    }
}

/// How much a reader or writer asks for at once: as much as a FIFO holds.
const BLOCK: usize = PIPE_BYTES;

fn read(path: &Path, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<(), PeerError> {
    say(out, &Message::Ready)?;
    hear::<()>(input)?;
    let mut fifo = File::open(path).map_err(|error| PeerError::Open(path.to_owned(), error))?;
    let (mut block, mut bytes) = (vec![0; BLOCK], 0);
    loop {
        match fifo.read(&mut block) {
            Ok(0) => return say(out, &Message::Finished { bytes, at: now()? }),
            Ok(got) => bytes += u64::try_from(got).unwrap_or(0),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PeerError::System("read the FIFO", error)),
        }
    }
}

fn write(
    path: &Path,
    bytes: u64,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), PeerError> {
    say(out, &Message::Ready)?;
    hear::<()>(input)?;
    let fifo = OpenOptions::new().write(true).open(path);
    let mut fifo = fifo.map_err(|error| PeerError::Open(path.to_owned(), error))?;
    let block = noise(BLOCK);
    each_piece(bytes, BLOCK, |length| fifo.write_all(block.get(..length).unwrap_or_default()))
        .map_err(|error| PeerError::System("write into the FIFO", error))?;
    drop(fifo);
    say(out, &Message::Finished { bytes, at: now()? })
}

/// As much as an engine puts into a frame.
const PAYLOAD: usize = 32 << 10;

fn frames(
    path: &Path,
    bytes: u64,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), PeerError> {
    let mut socket =
        attach::connect(path).map_err(|error| PeerError::Open(path.to_owned(), error))?;
    say(out, &Message::Ready)?;
    hear::<()>(input)?;
    let mut frame = vec![1, 0, 0, 0, 0, 0, 0, 0];
    frame.extend(noise(PAYLOAD));
    each_piece(bytes, PAYLOAD, |length| {
        let size = u32::try_from(length).unwrap_or(0).to_be_bytes();
        frame.splice(4..8, size);
        socket.write_all(frame.get(..8 + length).unwrap_or_default())
    })
    .map_err(|error| PeerError::System("write frames", error))?;
    drop(socket);
    say(out, &Message::Finished { bytes, at: now()? })
}

/// Calls `each` with lengths of at most `most` that come to `bytes`.
pub(super) fn each_piece(
    mut bytes: u64,
    most: usize,
    mut each: impl FnMut(usize) -> std::io::Result<()>,
) -> std::io::Result<()> {
    while bytes > 0 {
        let length = usize::try_from(bytes).unwrap_or(usize::MAX).min(most);
        each(length)?;
        bytes = bytes.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Bytes that no file system and no link makes smaller: a xorshift generator's.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_what_its_arguments_say() {
        for role in [
            Role::Move,
            Role::Run,
            Role::Read("/a b".into()),
            Role::Write("/a".into(), 7),
            Role::Frames("/a".into(), 7),
            Role::ServeChunked(7),
            Role::TakePosts(7),
            Role::ServeTls("/a".into(), u64::MAX),
            Role::ServeSummed("/a".into()),
            Role::TakeFiles(7),
        ] {
            assert_eq!(Role::parse(&role.arguments()), Some(role));
        }
        assert_eq!(Role::parse(&["write".into(), "/a".into(), "-1".into()]), None);
        assert_eq!(Role::parse(&["nonsense".into()]), None);
        assert_eq!(Role::parse(&[]), None);
    }

    #[test]
    fn pieces_come_to_the_whole() {
        let mut lengths = Vec::new();
        let mut note = |length| {
            lengths.push(length);
            Ok(())
        };
        each_piece(0, 4, &mut note).unwrap();
        each_piece(9, 4, &mut note).unwrap();
        assert_eq!(lengths, [4, 4, 1]);
    }
}
