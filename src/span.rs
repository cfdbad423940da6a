//! Work that is done for somebody in another thread, and what it logs: in the span of whoever has it done, so that the
//! lines of two runs can be told apart.

use tracing::Span;

/// The work, in the span that is entered now.
pub(crate) fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let span = Span::current();
    move || span.in_scope(work)
}
