//! The commands that remove what a prune could not, to be pasted into a shell.

use std::path::Path;

use nix::unistd::geteuid;

use crate::docker::Endpoint;
use crate::run::clean_up_error::CleanUpError;
use crate::run::quoted::quoted;
use crate::volume::Kind;

/// The command that removes a container which a record of this user names, of the engine with this address.
pub(super) fn remove_command(engine: &str, name: &str, owner: u32) -> String {
    let host = match Endpoint::parse(engine) {
        Ok(endpoint) if endpoint == Endpoint::default() => String::new(),
        _ => format!("--host {} ", quoted(engine)),
    };
    command_of(owner, &format!("docker {host}rm --force --volumes {}", quoted(name)), "")
}

/// The command that removes a path which a record of this user names.
pub(super) fn path_command(kind: Kind, path: &Path, owner: u32, error: &CleanUpError) -> String {
    let path = shown(path);
    let (mounted, is_refused) = match error {
        CleanUpError::Volume(error) => (error.mounted(), error.is_refused()),
        _ => (None, false),
    };
    let command = match (mounted, kind) {
        (Some(mounted), _) => format!("umount {}", shown(mounted)),
        (None, Kind::Directory) => format!("rm -rf --one-file-system -- {path}"),
        (None, Kind::Fifo | Kind::File) => format!("rm -f -- {path}"),
    };
    match is_refused && mounted.is_none() {
        true => command_of(owner, &command, "sudo "),
        false => command_of(owner, &command, ""),
    }
}

/// The command that removes a record of this user.
pub(super) fn record_command(path: &Path, owner: u32) -> String {
    command_of(owner, &format!("rm -- {}", shown(path)), "")
}

/// A command `as_us` for what a user's record names. Another user's is done as that user: the record may name anything, and
/// by the time that somebody does what it says another thing may have the name.
fn command_of(owner: u32, command: &str, as_us: &str) -> String {
    match owner == geteuid().as_raw() {
        true => format!("{as_us}{command}"),
        false => format!("sudo -u '#{owner}' {command}"),
    }
}

fn shown(path: &Path) -> String {
    quoted(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;
    use crate::volume::VolumeError;

    #[test]
    fn what_another_users_record_names_is_removed_by_nobody_but_that_user() {
        let ours = geteuid().as_raw();
        let record = |owner| record_command(Path::new("/r/a b"), owner);
        assert_eq!(record(ours), "rm -- '/r/a b'");
        assert_eq!(record(ours + 1), format!("sudo -u '#{}' rm -- '/r/a b'", ours + 1));
        let path = |owner, errno: Errno| {
            let path = Path::new("/etc/ssh");
            let error = VolumeError::Find { path: path.into(), source: errno.into() };
            path_command(Kind::Directory, path, owner, &CleanUpError::Volume(error))
        };
        for (errno, command) in [
            (Errno::EACCES, "sudo rm -rf --one-file-system -- /etc/ssh"),
            (Errno::EBUSY, "rm -rf --one-file-system -- /etc/ssh"),
            (Errno::EXDEV, "umount /etc/ssh"),
        ] {
            assert_eq!(path(ours, errno), command);
            let command = command.trim_start_matches("sudo ");
            assert_eq!(path(ours + 1, errno), format!("sudo -u '#{}' {command}", ours + 1));
        }
    }

    #[test]
    fn commands_are_safe_to_paste() {
        let (default, ours) = (Endpoint::default().to_string(), geteuid().as_raw());
        assert_eq!(remove_command(&default, "x", ours), "docker rm --force --volumes x");
        let command = "docker --host tcp://h:1 rm --force --volumes x";
        assert_eq!(remove_command("tcp://h:1", "x", ours), command);
        let theirs = format!("sudo -u '#{}' {command}", ours + 1);
        assert_eq!(remove_command("tcp://h:1", "x", ours + 1), theirs);
    }
}
