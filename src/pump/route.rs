//! The choice of a carrier, and of another one when the kernel refuses.

use nix::errno::Errno;

use crate::pump::carrier::Carrier;
use crate::pump::sink::Sink;
use crate::pump::source::Source;

/// The fastest carrier that this pair allows.
pub(crate) fn choose(source: &Source, sink: &Sink) -> Carrier {
    match sink {
        _ if source.raw().is_none() || !sink.takes_splices() => Carrier::Copy,
        // A chunk has to be announced: what is in the pipe between is one.
        Sink::Post(_) => match source.is_pipe() {
            true => Carrier::Splice,
            false => Carrier::Copy,
        },
        _ if source.is_pipe() || sink.is_pipe() => Carrier::Direct,
        _ => Carrier::Splice,
    }
}

/// Whether an error of a splice between two ends is the sink's to answer for. Taking bytes out of a pipe does not fail.
pub(crate) fn is_the_sinks(errno: Errno, source: &Source) -> bool {
    match errno {
        Errno::EAGAIN => false,
        Errno::EPIPE | Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG | Errno::EROFS => true,
        _ => source.is_pipe(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};

    use super::*;
    use crate::pump::shared::Shared;
    use crate::pump::source::{FifoSource, FileSource};
    use crate::sys::pipe;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    fn shared(descriptor: impl Into<std::os::fd::OwnedFd>) -> Sink {
        Sink::Shared(Shared::new(descriptor.into()).unwrap())
    }

    #[test]
    fn a_pipe_at_either_end_needs_nothing_between() {
        let (reader, writer) = pipe::pipe().unwrap();
        let from_file = Source::File(FileSource::new(file()).unwrap());
        assert_eq!(choose(&from_file, &Sink::File(file())), Carrier::Splice);
        assert_eq!(choose(&from_file, &shared(file())), Carrier::Splice);
        assert_eq!(choose(&from_file, &shared(writer)), Carrier::Direct);
        let from_pipe = Source::Fifo(FifoSource::new(reader));
        assert_eq!(choose(&from_pipe, &Sink::File(file())), Carrier::Direct);
    }

    #[test]
    fn what_cannot_be_spliced_into_is_copied_into_and_output_is_spooled() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let appended = OpenOptions::new().append(true).open(named.path()).unwrap();
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let (reader, _writer) = pipe::pipe().unwrap();
        let from_pipe = Source::Fifo(FifoSource::new(reader));
        assert_eq!(choose(&from_pipe, &shared(appended)), Carrier::Copy);
        assert_eq!(choose(&from_pipe, &shared(socket)), Carrier::Copy);
    }
}
