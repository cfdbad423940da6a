//! The choice of a carrier, and of another one when the kernel refuses.

use nix::errno::Errno;

use super::carrier::Carrier;
use super::sink::Sink;
use super::source::Source;

/// The fastest carrier that this pair allows.
pub(crate) fn choose(source: &Source, sink: &Sink) -> Carrier {
    match source {
        Source::Fed => Carrier::Spool,
        _ if source.raw().is_none() || !sink.takes_splices() => Carrier::Copy,
        // The chunks have to be announced, which a pipe between would not do.
        _ if matches!(sink, Sink::Post(_)) && !source.is_pipe() => Carrier::Copy,
        _ if source.is_pipe() || sink.is_pipe() => Carrier::Direct,
        _ => Carrier::Splice,
    }
}

/// Whether a splice failed for what it is, so that the same bytes may go by copy: splice(2) says
/// `EINVAL` for a pair it cannot do, an older or a guarded kernel `ENOSYS` or `EPERM`.
pub(crate) fn is_to_fall_back(errno: Errno) -> bool {
    matches!(errno, Errno::EINVAL | Errno::ENOSYS | Errno::EPERM | Errno::EOPNOTSUPP)
}

/// Whether an error of a splice between two ends is the sink's to answer for.
pub(crate) fn is_the_sinks(errno: Errno) -> bool {
    matches!(errno, Errno::EPIPE | Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG | Errno::EROFS)
}
