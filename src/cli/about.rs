//! What the command says of itself: its version, its pages for man, its words for a shell.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::args::Cli;
use super::{Failure, exit, help, render};

/// Prints the version, and what is in it.
pub(super) fn version(as_json: bool) -> Result<u8, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if !as_json {
        return render::print(&format!("gantline {version}\n"));
    }
    let features =
        if cfg!(feature = "worker") { vec!["command", "worker"] } else { vec!["command"] };
    let libc = if cfg!(target_env = "musl") { "musl" } else { "glibc" };
    render::print_json(&json!({
        "name": "gantline",
        "version": version,
        "features": features,
        "architecture": std::env::consts::ARCH,
        "libc": libc,
        "is_debug_build": cfg!(debug_assertions),
    }))
}

/// Prints what completes the command's words in a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    let mut command = Cli::command().mut_subcommand("help", |help| {
        help.mut_arg("topic", |topic| topic.value_parser(PossibleValuesParser::new(help::names())))
    });
    clap_complete::generate(shell, &mut command, "gantline", &mut text);
    render::print_ours(&text)
}

/// Writes a page for the command, and one for each below it.
pub(super) fn man(folder: &Path) -> Result<u8, Failure> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .and_then(|()| keep_lines(folder));
    match written {
        Ok(()) => Ok(exit::DONE),
        Err(error) => Err(Failure {
            message: format!("cannot write the pages into {}: {error}", folder.display()),
            code: exit::FAILED,
        }),
    }
}

/// Has each page of ours show its examples in the lines that they have: as a paragraph nobody could read them.
fn keep_lines(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("gantline") && name.ends_with(".1") {
            let page = std::fs::read_to_string(&path)?;
            std::fs::write(&path, page.replace(".SH EXTRA\n", ".SH NOTES\n.nf\n.in 2\n"))?;
        }
    }
    Ok(())
}
