//! The spool carrier: takes whatever comes, at once.
//!
//! The engine throws away what is not read from an attached container soon after its exit, so a
//! slow sink must never hold the reader up. The first bytes stay in memory, up to a bound; beyond
//! it they go to a file that has no name, and come back from there in their order.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// How much one stream may hold in memory. Two of them and what their reader reads at once stay below 2 MiB.
const MEMORY_BYTES: usize = 512 << 10;

/// How much is brought back from the file at once.
const READ_BACK_BYTES: usize = 256 << 10;

/// Bytes without a bound but the disk's.
#[derive(Debug)]
pub(crate) struct Spool {
    memory: VecDeque<u8>,
    folder: PathBuf,
    file: Option<Overflow>,
}

/// The file: bytes from `start` to `end` are held, all of them younger than those in memory.
#[derive(Debug)]
struct Overflow {
    file: File,
    start: u64,
    end: u64,
}

impl Spool {
    /// An empty spool that makes its file in `folder` when it needs one.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { memory: VecDeque::new(), folder, file: None }
    }

    /// Takes all of `bytes`.
    ///
    /// # Errors
    /// `ENOSPC` and what else the folder's file system says. Nothing of `bytes` is held then.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let spilled = self.file.as_ref().is_some_and(|file| file.start < file.end);
        if !spilled && self.memory.len() + bytes.len() <= MEMORY_BYTES {
            self.memory.extend(bytes);
            return Ok(());
        }
        let overflow = match &mut self.file {
            Some(overflow) => overflow,
            none => {
                let file = tempfile::tempfile_in(&self.folder)?;
                none.insert(Overflow { file, start: 0, end: 0 })
            }
        };
        overflow.file.write_all_at(bytes, overflow.end)?;
        overflow.end += bytes.len() as u64;
        Ok(())
    }

    /// The oldest bytes, contiguous, not necessarily all; empty when nothing is held.
    ///
    /// # Errors
    /// `EIO`: the file cannot be read back.
    pub(crate) fn front(&mut self) -> io::Result<&[u8]> {
        if self.memory.is_empty() {
            self.read_back()?;
        }
        Ok(self.memory.as_slices().0)
    }

    fn read_back(&mut self) -> io::Result<()> {
        let Some(overflow) = &mut self.file else { return Ok(()) };
        let held = overflow.end - overflow.start;
        if held == 0 {
            return Ok(());
        }
        let most = usize::try_from(held).unwrap_or(usize::MAX).min(READ_BACK_BYTES);
        self.memory.resize(most, 0);
        let back = self.memory.make_contiguous();
        if let Err(error) = overflow.file.read_exact_at(back, overflow.start) {
            self.memory.clear();
            return Err(error);
        }
        overflow.start += most as u64;
        if overflow.start == overflow.end {
            // Gives the disk its space back; writing starts from the front again.
            (overflow.start, overflow.end) = (0, 0);
            overflow.file.set_len(0)?;
        }
        Ok(())
    }

    /// The sink took so many bytes of [`front`](Self::front).
    pub(crate) fn drained(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.memory.len(), "drained more than was held");
        self.memory.drain(..bytes.min(self.memory.len()));
    }

    /// Throws away what is held: nobody wants it any more.
    pub(crate) fn clear(&mut self) {
        self.memory = VecDeque::new();
        self.file = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool() -> (tempfile::TempDir, Spool) {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().to_owned());
        (folder, spool)
    }

    #[test]
    fn what_goes_in_comes_out_whatever_the_order_of_calls() {
        const PUSHED: usize = 100_000;
        let mut all = vec![0; 60 * PUSHED];
        fastrand::Rng::with_seed(0).fill(&mut all);
        for seed in 0..20 {
            let (_folder, mut spool) = spool();
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut pushed, mut out) = (0, 0);
            for _ in 0..60 {
                if random.u8(..) < 150 {
                    spool.push(&all[pushed..pushed + PUSHED]).unwrap();
                    pushed += PUSHED;
                } else {
                    let front = spool.front().unwrap();
                    assert!(all[out..].starts_with(front), "seed {seed}");
                    let took = random.usize(0..=front.len());
                    out += took;
                    spool.drained(took);
                }
                assert!(spool.memory.len() <= MEMORY_BYTES, "seed {seed}");
            }
            while out < pushed {
                let front = spool.front().unwrap();
                assert!(!front.is_empty() && all[out..].starts_with(front), "seed {seed}");
                out += front.len();
                let length = front.len();
                spool.drained(length);
            }
            assert!(spool.front().unwrap().is_empty());
        }
    }

    #[test]
    fn its_file_has_no_name() {
        let (folder, mut spool) = spool();
        spool.push(&vec![1; MEMORY_BYTES + 1]).unwrap();
        assert!(spool.file.is_some());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_and_loses_nothing_held() {
        let mut spool = Spool::new(PathBuf::from("/nonexistent"));
        spool.push(b"kept").unwrap();
        assert!(spool.push(&vec![1; MEMORY_BYTES]).is_err());
        assert_eq!(spool.front().unwrap(), b"kept");
    }
}
