//! The socket on which a container's output is found. It is reached by its folder: a socket's own path may have 107 bytes
//! at most, and the folder of a measurement lies wherever `TMPDIR` says.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Listens at a path.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let (_folder, short) = by_folder(path)?;
    UnixListener::bind(short)
}

/// Connects to who listens at a path.
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    let (_folder, short) = by_folder(path)?;
    UnixStream::connect(short)
}

/// The same place by a descriptor, which has to stay open until it was used.
fn by_folder(path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = OwnedFd::from(File::open(folder)?);
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((folder, short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_longer_than_a_sockets_own() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("long".repeat(40));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("attach-0");
        assert!(UnixListener::bind(&path).is_err());
        let listener = listen(&path).unwrap();
        connect(&path).unwrap();
        listener.accept().unwrap();
    }
}
