//! Whether we may read what a container has written.

use std::io;
use std::path::Path;

use super::written::{MAX_DEPTH, Written, find_written};

/// Whether all that is at `inside` in the volume `root` can be read by us. What is not there can, and so
/// can what a link would lead to: nobody follows it.
pub(crate) fn is_readable(root: &Path, inside: &str) -> bool {
    match find_written(root, inside) {
        Ok(found) => found.is_none_or(|found| is_all(found, 0)),
        Err(error) => !error.is_refused(),
    }
}

fn is_all(found: Written, depth: usize) -> bool {
    match found {
        Written::File(file) => !is_refusal(&file.open()),
        Written::Folder(folder) if depth <= MAX_DEPTH => match folder.names() {
            Ok(names) => names.iter().all(|name| match folder.entry(name) {
                Ok(entry) => entry.is_none_or(|entry| is_all(entry, depth + 1)),
                refused => !is_refusal(&refused),
            }),
            refused => !is_refusal(&refused),
        },
        Written::Folder(_) | Written::Other(_) => true,
    }
}

fn is_refusal<T>(outcome: &io::Result<T>) -> bool {
    let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    outcome.as_ref().is_err_and(is_denied)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::thread;

    use nix::unistd::{Uid, setfsuid};

    use super::*;

    /// What is said to somebody who is not root.
    fn is_readable_by_another(root: &Path) -> bool {
        let root = root.to_owned();
        let other = thread::spawn(move || {
            setfsuid(Uid::from_raw(65534));
            is_readable(&root, "")
        });
        other.join().unwrap()
    }

    #[test]
    fn what_may_not_be_read_is_found_as_deep_as_an_upload_goes_and_no_deeper() {
        let volume = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
        mode(volume.path(), 0o755).unwrap();
        let folder = |nth| volume.path().join(std::iter::repeat_n("d", nth).collect::<PathBuf>());
        fs::create_dir_all(folder(MAX_DEPTH + 1)).unwrap();
        let shut = |nth| {
            let file = folder(nth).join("file");
            fs::write(&file, "").unwrap();
            mode(&file, 0).unwrap();
            file
        };
        assert!(is_readable_by_another(volume.path()));
        shut(MAX_DEPTH + 1);
        assert!(is_readable_by_another(volume.path()));
        let last = shut(MAX_DEPTH);
        assert!(!is_readable_by_another(volume.path()));
        mode(&last, 0o644).unwrap();
        assert!(is_readable_by_another(volume.path()));
    }
}
