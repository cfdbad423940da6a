//! Whether something may be done, before it is done.

use std::io;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

/// Whether this process may make something in a folder: faccessat(2), by the ids that making it goes by.
///
/// # Errors
/// `EACCES`, `EROFS`, `ENOENT`.
pub fn may_make_in(folder: &Path) -> io::Result<()> {
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    Ok(faccessat(AT_FDCWD, folder, flags, AtFlags::AT_EACCESS)?)
}
