//! The SHA-512 of a file while it is being written.
//!
//! The bytes are spliced past us, so they are read back, from the page cache and while the rest is
//! still coming: it costs a core, and hardly any time.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use nix::sys::uio::pread;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::http::Sha512;
use crate::span::carried;
use crate::sys::uninterrupted;

/// The writer's side. Dropping it ends the checksum.
#[derive(Debug)]
pub(super) struct Checksum {
    written: Sender<u64>,
    work: JoinHandle<io::Result<String>>,
}

impl Checksum {
    /// Begins with the first byte of a file that is being written.
    pub(super) fn begin(file: File) -> Self {
        let (written, told) = channel();
        Self { written, work: spawn_blocking(carried(move || follow(&file, &told))) }
    }

    /// There are so many bytes now.
    pub(super) fn written(&self, bytes: u64) {
        // Who cannot read any more will say so in the end.
        let _ = self.written.send(bytes);
    }

    /// The sum over what is in the file, at least `total` bytes, in hexadecimal.
    pub(super) async fn end(self, total: u64) -> io::Result<String> {
        self.written(total);
        drop(self.written);
        self.work.await.map_err(io::Error::other)?
    }
}

/// Sums what is in the file, and what comes, until nobody tells of more.
fn follow(file: &File, told: &Receiver<u64>) -> io::Result<String> {
    let mut sum = Sha512::new();
    let mut buffer = vec![0; BUFFER];
    let (mut at, mut written) = (0, 0);
    loop {
        let before = at;
        loop {
            let place = i64::try_from(at).map_err(io::Error::other)?;
            let bytes = uninterrupted(|| pread(file, &mut buffer, place))?;
            if bytes == 0 {
                break;
            }
            sum.add(buffer.get(..bytes).unwrap_or_default());
            at += bytes as u64;
        }
        // What is told of comes late. A file that grows is looked at meanwhile, so that next to
        // nothing is left to be summed when it is whole; one that does not grow is not.
        let news = match at > before {
            true => told.recv_timeout(LOOK_EVERY),
            false => told.recv().map_err(RecvTimeoutError::from),
        };
        match news {
            Ok(bytes) => written = bytes,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if at == before => break,
            Err(RecvTimeoutError::Disconnected) => {}
        }
    }
    if at < written {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(sum.end())
}

/// How often a file that grows is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Bytes read at once: what fits a core's own cache.
const BUFFER: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_file_that_grows_is_summed_to_its_end() {
        let mut file = tempfile::tempfile().unwrap();
        let sum = Checksum::begin(file.try_clone().unwrap());
        file.write_all(b"ab").unwrap();
        sum.written(2);
        file.write_all(b"c").unwrap();
        let sum = sum.end(3).await.unwrap();
        // FIPS 180-2, C.1.
        assert!(sum.starts_with("ddaf35a193617abacc417349ae204131"), "{sum}");
        assert!(sum.ends_with("2a9ac94fa54ca49f") && sum.len() == 128, "{sum}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        let error = Checksum::begin(file).end(1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
