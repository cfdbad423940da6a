//! What this process may do and have.

use std::io;

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open descriptors to what this process may give itself. A service has 1,024,
/// and a transfer takes up to four.
///
/// # Errors
/// As setrlimit(2).
pub(super) fn raise_open_files() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// Lets nobody see this process's memory: it leaves no core, and processes of the same user cannot
/// trace it.
///
/// # Errors
/// As prctl(2), `PR_SET_DUMPABLE`.
pub(super) fn hide_memory() -> io::Result<()> {
    Ok(set_dumpable(false)?)
}
