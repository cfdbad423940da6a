//! docker's bind strings: `source:target:mode`.

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
    /// When a path holds a colon: the engine splits the string there, and would mount another
    /// path than was meant, in another mode.
    pub(crate) fn new(
        source: impl Into<String>,
        target: ContainerPath,
        mode: impl Into<String>,
    ) -> Result<Self, PathError> {
        let source = source.into();
        for path in [source.as_str(), target.as_str()] {
            if path.contains(':') {
                return Err(PathError::Colon { path: path.to_owned() });
            }
        }
        Ok(Self { source, target, mode: mode.into() })
    }

    /// Whether the container can only read what is mounted.
    pub(crate) fn is_read_only(&self) -> bool {
        self.mode.split(',').any(|word| word == "ro")
    }
}

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
        assert!(matches!(bind("/data:/etc", "/mnt", "rw"), Err(PathError::Colon { .. })));
        assert!(matches!(bind("/data", "/mnt:rw", "ro"), Err(PathError::Colon { .. })));
    }
}
