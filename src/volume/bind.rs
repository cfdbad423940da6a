//! docker's bind strings: `source:target:mode`. A path of the host with a colon goes as one of the engine's mounts instead.

use std::fmt;

use super::path::{ContainerPath, PathError};

/// One entry of `HostConfig.Binds`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    source: String,
    target: ContainerPath,
    mode: String,
}

impl Bind {
    /// Mounts `source`, an absolute path of the host or the name of an engine's volume.
    ///
    /// # Errors
    /// When the container's path holds a colon; or the host's does, and the mode is more than a mount of the engine's
    /// has.
    pub(crate) fn new(
        source: impl Into<String>,
        target: ContainerPath,
        mode: impl Into<String>,
    ) -> Result<Self, PathError> {
        let source = source.into();
        let mode = mode.into();
        if target.as_str().contains(':') {
            return Err(PathError::Colon { path: target.to_string() });
        }
        if source.contains(':') && !matches!(mode.as_str(), "" | "rw" | READ_ONLY) {
            return Err(PathError::ColonAndMode { path: source, mode });
        }
        Ok(Self { source, target, mode })
    }

    /// What the engine is told.
    pub(crate) fn told(&self) -> Told<'_> {
        match self.source.contains(':') {
            // It would be split there: another path would be mounted, in another mode.
            true => Told::Mount {
                source: &self.source,
                target: self.target.as_str(),
                is_read_only: self.is_read_only(),
            },
            false => Told::Bind(self.to_string()),
        }
    }

    /// Whether the container can only read what is mounted.
    pub(crate) fn is_read_only(&self) -> bool {
        self.mode.split(',').any(|word| word == READ_ONLY)
    }
}

/// One mount, in the engine's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    /// An entry of `HostConfig.Binds`.
    Bind(String),
    /// One of `HostConfig.Mounts`.
    Mount { source: &'a str, target: &'a str, is_read_only: bool },
}

const READ_ONLY: &str = "ro";

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_empty() {
            // The engine makes a volume of its own for it.
            return write!(f, "{}", self.target);
        }
        write!(f, "{}:{}", self.source, self.target)?;
        if self.mode.is_empty() { Ok(()) } else { write!(f, ":{}", self.mode) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str, mode: &str) -> Result<String, PathError> {
        Bind::new(source, ContainerPath::new(target).unwrap(), mode).map(|bind| bind.to_string())
    }

    #[test]
    fn a_bind_is_written_as_docker_reads_it() {
        assert_eq!(bind("/data", "/mnt", "ro,z").unwrap(), "/data:/mnt:ro,z");
        assert_eq!(bind("named", "/mnt", "").unwrap(), "named:/mnt");
        assert_eq!(bind("", "/mnt", "rw").unwrap(), "/mnt");
    }

    #[test]
    fn a_colon_cannot_smuggle_in_another_mount() {
        assert!(matches!(bind("/data", "/mnt:rw", "ro"), Err(PathError::Colon { .. })));
        assert!(matches!(bind("/data:/etc", "/mnt", "ro,z"), Err(PathError::ColonAndMode { .. })));
        let target = ContainerPath::new("/mnt").unwrap();
        for (mode, is_read_only) in [("ro", true), ("rw", false), ("", false)] {
            let bind = Bind::new("/data:/etc", target.clone(), mode).unwrap();
            let mount = Told::Mount { source: "/data:/etc", target: "/mnt", is_read_only };
            assert_eq!(bind.told(), mount);
        }
        let bind = Bind::new("/data", target, "ro").unwrap();
        assert_eq!(bind.told(), Told::Bind("/data:/mnt:ro".to_owned()));
    }
}
