//! Paths that cannot be mixed up: of the host, in the container, and inside a volume.
//!
//! Text only: nothing here touches the file system. What a path really leads to is decided when it
//! is opened, beneath its folder.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// An absolute path of the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct HostPath(PathBuf);

impl HostPath {
    /// Takes an absolute path.
    ///
    /// # Errors
    /// When it is relative: the engine has another working directory than we.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Result<Self, PathError> {
        let path = path.into();
        if path.is_absolute() {
            Ok(Self(path))
        } else {
            Err(PathError::Relative { path: path.display().to_string() })
        }
    }

    /// The path itself.
    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }
}

/// An absolute path in the container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContainerPath(String);

impl ContainerPath {
    /// Takes an absolute path.
    ///
    /// # Errors
    /// When it is relative, or holds a NUL.
    pub(crate) fn new(path: impl Into<String>) -> Result<Self, PathError> {
        let path = path.into();
        if path.contains('\0') {
            return Err(PathError::Nul { path });
        }
        if !path.starts_with('/') {
            return Err(PathError::Relative { path });
        }
        Ok(Self(path))
    }

    /// The path of something inside this folder.
    pub(crate) fn join(&self, inside: &RelativePath) -> Self {
        Self(format!("{}/{}", self.0.trim_end_matches('/'), inside.0))
    }

    /// The path of something inside this folder, with every slash that the job wrote: programs
    /// tell `out/` from `out`.
    ///
    /// # Errors
    /// As [`RelativePath::new`], but that the folder itself may be meant.
    pub(crate) fn join_as_written(&self, inside: &str) -> Result<String, PathError> {
        match RelativePath::new(inside) {
            Ok(_) | Err(PathError::Empty { .. }) => {
                Ok(format!("{}/{inside}", self.0.trim_end_matches('/')))
            }
            Err(error) => Err(error),
        }
    }

    /// As it is passed to the container.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path inside a folder: relative, never empty, and it does not climb out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RelativePath(String);

impl RelativePath {
    /// Takes a relative path; `.` and doubled slashes go.
    ///
    /// # Errors
    /// When it is absolute, empty, holds a NUL, or has a `..` anywhere. (`a/../b` stays inside as
    /// text; but `a` may be a symbolic link by the time it is opened.)
    pub(crate) fn new(path: &str) -> Result<Self, PathError> {
        let named = || path.to_owned();
        if path.contains('\0') {
            return Err(PathError::Nul { path: named() });
        }
        if path.starts_with('/') {
            return Err(PathError::Absolute { path: named() });
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err(PathError::Climbs { path: named() });
        }
        if parts.is_empty() {
            return Err(PathError::Empty { path: named() });
        }
        Ok(Self(parts.join("/")))
    }

    /// The folder that it is in, when that is not the top one, and its name there.
    pub(crate) fn folder_and_name(&self) -> (Option<&Path>, &Path) {
        match self.0.rsplit_once('/') {
            Some((folder, name)) => (Some(Path::new(folder)), Path::new(name)),
            None => (None, Path::new(&self.0)),
        }
    }

    /// The path itself.
    pub(crate) fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a path cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// An absolute one was needed.
    #[error("{path:?} is not an absolute path")]
    Relative {
        /// The path.
        path: String,
    },
    /// A relative one was needed.
    #[error("{path:?} is not relative to its volume")]
    Absolute {
        /// The path.
        path: String,
    },
    /// It has a `..`.
    #[error("{path:?} has a `..`, and might leave its volume")]
    Climbs {
        /// The path.
        path: String,
    },
    /// It names nothing inside the folder.
    #[error("{path:?} names nothing in its volume")]
    Empty {
        /// The path.
        path: String,
    },
    /// No system call could take it.
    #[error("{path:?} holds a NUL")]
    Nul {
        /// The path.
        path: String,
    },
    /// docker's bind strings are split at colons.
    #[error("{path:?} holds a colon, which a bind mount cannot name")]
    Colon {
        /// The path.
        path: String,
    },
    /// The host's path goes as a mount of the engine's, which has no such mode.
    #[error("{path:?} holds a colon: it can be mounted `rw` or `ro`, and not `{mode}`")]
    ColonAndMode {
        /// The path.
        path: String,
        /// The mode.
        mode: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_stays_inside() {
        for (given, kept) in [
            ("a", "a"),
            ("./a//b/", "a/b"),
            (".girder_progress", ".girder_progress"),
            ("..a", "..a"),
        ] {
            assert_eq!(RelativePath::new(given).map(|path| path.0), Ok(kept.to_owned()));
        }
    }

    #[test]
    fn a_path_that_might_leave_its_volume_is_refused() {
        for given in ["..", "../a", "a/..", "a/../b", "a/./../../b"] {
            assert!(matches!(RelativePath::new(given), Err(PathError::Climbs { .. })), "{given}");
        }
        assert!(matches!(RelativePath::new("/a"), Err(PathError::Absolute { .. })));
        for given in ["", ".", "./", ".//."] {
            assert!(matches!(RelativePath::new(given), Err(PathError::Empty { .. })), "{given:?}");
        }
        assert!(matches!(RelativePath::new("a\0b"), Err(PathError::Nul { .. })));
    }

    #[test]
    fn joining_needs_no_second_slash() {
        let inside = RelativePath::new("x/y").unwrap();
        for (folder, joined) in [("/mnt", "/mnt/x/y"), ("/mnt/", "/mnt/x/y"), ("/", "/x/y")] {
            assert_eq!(ContainerPath::new(folder).unwrap().join(&inside).as_str(), joined);
        }
        assert!(matches!(ContainerPath::new("mnt"), Err(PathError::Relative { .. })));
    }

    #[test]
    fn a_path_is_split_into_folder_and_name() {
        let split = |text| {
            let path = RelativePath::new(text).unwrap();
            let (folder, name) = path.folder_and_name();
            (folder.map(Path::to_path_buf), name.to_path_buf())
        };
        assert_eq!(split("in"), (None, "in".into()));
        assert_eq!(split("a/b/in"), (Some("a/b".into()), "in".into()));
    }
}
