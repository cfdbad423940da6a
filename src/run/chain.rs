//! An error in one line.

use std::error::Error;
use std::io;

/// An error and what lies behind it, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        line.push_str(": ");
        line.push_str(&error.to_string());
        if error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) == Some(TOO_LONG) {
            line.push_str(LENGTHS);
        }
        next = error.source();
    }
    line
}

const TOO_LONG: i32 = nix::errno::Errno::ENAMETOOLONG as i32;

/// `NAME_MAX`, and `PATH_MAX` without the NUL. Some file systems have less.
const LENGTHS: &str = " (a name may have 255 bytes, a path 4,095)";
