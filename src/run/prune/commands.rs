//! The commands that remove what a prune could not, to be pasted into a shell.

use std::path::Path;

use crate::docker::Endpoint;
use crate::run::clean_up_error::CleanUpError;
use crate::run::quoted::quoted;
use crate::volume::Kind;

/// The command that removes a container of the engine with this address.
pub(super) fn remove_command(engine: &str, name: &str) -> String {
    let host = match Endpoint::parse(engine) {
        Ok(endpoint) if endpoint == Endpoint::default() => String::new(),
        _ => format!("--host {} ", quoted(engine)),
    };
    format!("docker {host}rm --force --volumes {}", quoted(name))
}

/// The command that removes a path, for whoever may.
pub(super) fn path_command(kind: Kind, path: &Path, error: &CleanUpError) -> String {
    let path = quoted(&path.display().to_string());
    let (mounted, is_refused) = match error {
        CleanUpError::Volume(error) => (error.mounted(), error.is_refused()),
        _ => (None, false),
    };
    if let Some(mounted) = mounted {
        return format!("umount {}", quoted(&mounted.display().to_string()));
    }
    let as_root = if is_refused { "sudo " } else { "" };
    match kind {
        Kind::Directory => format!("{as_root}rm -rf --one-file-system -- {path}"),
        Kind::Fifo | Kind::File => format!("{as_root}rm -f -- {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_safe_to_paste() {
        let default = Endpoint::default().to_string();
        assert_eq!(remove_command(&default, "x"), "docker rm --force --volumes x");
        assert_eq!(
            remove_command("tcp://h:1", "x"),
            "docker --host tcp://h:1 rm --force --volumes x"
        );
    }
}
