//! What a pipe of the container says on our own output, and in the job's log as well.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::pump::Listen as _;
use crate::reporter::JobTeller;
use crate::run::transfers::listeners::Logged;

/// Writes into a descriptor, and puts what it has written into the job's log. For a thread that may wait.
pub(super) struct Teed {
    output: File,
    log: Logged,
}

impl Teed {
    pub(super) fn new(output: OwnedFd, teller: &JobTeller) -> Self {
        Self { output: output.into(), log: Logged::new(teller) }
    }
}

impl Write for Teed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = loop {
            match self.output.write(bytes) {
                // Whoever gave us the descriptor may have made it so; it is theirs as well.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let room = PollFd::new(self.output.as_fd(), PollFlags::POLLOUT);
                    poll(&mut [room], PollTimeout::NONE)?;
                }
                written => break written?,
            }
        };
        self.log.hear(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
