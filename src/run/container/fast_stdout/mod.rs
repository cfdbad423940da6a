//! What opens a container's FIFOs as its standard output and error, and becomes its program: a file of some hundred bytes
//! that needs nothing but the kernel, so that any image will do. Its source is beside it.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::docker::{CreateContainer, ImageCommand};
use crate::plan::{FastStdout, OPENER};
use crate::volume::VolumeError;

/// `x86_64.S`, assembled.
const FILE: &[u8] = include_bytes!("x86_64");

/// Makes the file in the folder of the FIFOs.
///
/// # Errors
/// [`VolumeError::MakeFile`].
pub(crate) fn make(folder: &Path) -> Result<(), VolumeError> {
    let path = folder.join(OPENER);
    let make = || -> io::Result<()> {
        let mut file = File::create_new(&path)?;
        file.write_all(FILE)?;
        file.set_permissions(Permissions::from_mode(0o755))
    };
    make().map_err(|source| VolumeError::MakeFile { path, source })
}

/// Puts it before the program that the engine would make of the create and the image.
///
/// An entrypoint of the create takes the place of the image's entrypoint and command. One that is empty, or has one
/// word that is empty, takes the place of the entrypoint only. See `merge` in moby's `daemon/commit.go`, and
/// `docker run --entrypoint ''`.
pub(crate) fn put_before(create: &mut CreateContainer, fast: &FastStdout, image: &ImageCommand) {
    let no_words = |words: &[String]| words.iter().all(String::is_empty);
    let (entrypoint, mut command) = match create.entrypoint.as_deref() {
        Some(words) if !no_words(words) => (words, None),
        Some(_) => (&[][..], Some(&image.cmd)),
        None => (image.entrypoint.as_slice(), Some(&image.cmd)),
    };
    let command = command.take().filter(|_| create.cmd.is_empty()).unwrap_or(&create.cmd).clone();
    if entrypoint.is_empty() && command.is_empty() {
        // The engine says that there is nothing to be run.
        return;
    }
    let opener = [&fast.opener, &fast.stdout, &fast.stderr].into_iter();
    create.entrypoint = Some(opener.chain(entrypoint).cloned().collect());
    create.cmd = command;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_program_is_what_the_engine_would_make_of_it() {
        let fast = FastStdout {
            mount: 1,
            opener: "/t/open".to_owned(),
            stdout: "/t/stdout".to_owned(),
            stderr: String::new(),
        };
        let cases = [
            (None, "a b", "e", "c d", "e a b"),
            (None, "", "e", "c d", "e c d"),
            (None, "", "", "c d", "c d"),
            (Some("x y"), "a", "e", "c", "x y a"),
            (Some("x"), "", "e", "c", "x"),
            (Some(""), "", "e", "c", "c"),
            (Some(""), "a", "e", "c", "a"),
        ];
        for (entrypoint, cmd, of_image, cmd_of_image, expected) in cases {
            let mut create = CreateContainer::new("i", words(cmd));
            create.entrypoint = entrypoint.map(words);
            let image = ImageCommand { entrypoint: words(of_image), cmd: words(cmd_of_image) };
            put_before(&mut create, &fast, &image);
            let all = [create.entrypoint.unwrap(), create.cmd].concat();
            assert_eq!(all[..3], ["/t/open", "/t/stdout", ""], "{expected}");
            assert_eq!(all[3..], words(expected), "{expected}");
        }
        let mut nothing = CreateContainer::new("i", Vec::new());
        put_before(&mut nothing, &fast, &ImageCommand::default());
        assert_eq!(nothing.entrypoint, None);
    }
}
