//! Reading a file of Docker's own configuration.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads it whole.
///
/// # Errors
/// As open(2) and read(2); it is larger than [`MOST`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
        let why = format!("it is larger than {} MiB", MOST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}

/// More than any such file has.
const MOST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_too_long_is_no_beginning_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, vec![b' '; 1 << 20]).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1 << 20);
        std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "it is larger than 1 MiB");
    }
}
