//! What people type who know docker or Celery: their words are no words of ours, and it is said which are.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::image;

/// What there is in place of a word that the command line does not have.
pub(super) fn advice(words: &[OsString], kind: ErrorKind) -> Option<String> {
    let command = words.get(1).and_then(|word| word.to_str())?;
    let is_of_celery = || words.iter().any(|word| word == "-A" || word == "--app");
    match (kind, command) {
        (ErrorKind::UnknownArgument, "run") if !image::is_asked_for(words) => Some(
            "`gantline run` takes a job document; as docker runs a container: gantline run --image IMAGE \
             [OPTION…] [ARG…]"
                .to_owned(),
        ),
        (ErrorKind::UnknownArgument, "run") => {
            Some("what the program is given, if it begins with `--`, stands behind a `--` of its own".to_owned())
        }
        (ErrorKind::UnknownArgument, "worker") => Some(CELERY.to_owned()),
        (ErrorKind::UnknownArgument, _) if is_of_celery() => Some(CELERY.to_owned()),
        (ErrorKind::InvalidSubcommand, word) if DOCKERS.contains(&word) => {
            Some(format!("`{word}` is docker's: gantline runs jobs with the engine that docker uses"))
        }
        _ => None,
    }
}

const CELERY: &str = "of Celery's options, `gantline worker` has -Q, -c, -n, -E, --statedb and --broker; \
                      GIRDER_WORKER_LOGGING_LEVEL says how much is logged, and it needs no application";

/// docker's commands that somebody may look for here.
const DOCKERS: [&str; 16] = [
    "attach",
    "build",
    "compose",
    "container",
    "exec",
    "image",
    "images",
    "inspect",
    "kill",
    "logs",
    "ps",
    "pull",
    "rm",
    "stop",
    "system",
    "volume",
];
