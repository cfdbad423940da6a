//! The report of an earlier run, when this one does not even begin: its command line has a mistake.
//!
//! It must not look like this one's, so it goes, as it does when a run begins.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::args::Cli;
use super::image;
use super::report::ReportFile;

/// Removes what `--report` of a wrong command line names. That it cannot be removed is not what is wrong with it.
pub(super) fn remove_report(words: &[OsString]) {
    let _ = report_in(words).map(|path| ReportFile::remove_earlier(&path));
}

/// The value of `--report`, if `run` has one for certain: where a program's own words may stand, only before the mistake.
fn report_in(words: &[OsString]) -> Option<PathBuf> {
    let (command, words_of_run) = words.get(1..)?.split_first()?;
    if command != "run" {
        return None;
    }
    if image::is_asked_for(words) {
        let command = image::with_program(Cli::command()).ignore_errors(true);
        let matches = command.try_get_matches_from(words).ok()?;
        return matches.subcommand_matches("run")?.get_one::<PathBuf>(REPORT).cloned();
    }
    let mut ours = words_of_run.iter().take_while(|word| *word != "--");
    while let Some(word) = ours.next() {
        if word == "--report" {
            return ours.next().map(PathBuf::from);
        }
        if let Some(value) = value_of(word) {
            return Some(value.to_owned());
        }
    }
    None
}

fn value_of(word: &OsStr) -> Option<&Path> {
    word.to_str()?.strip_prefix("--report=").map(Path::new)
}

const REPORT: &str = "report";

#[cfg(test)]
mod tests {
    use super::*;

    fn report(line: &str) -> Option<String> {
        let words: Vec<_> = line.split(' ').map(OsString::from).collect();
        report_in(&words).map(|path| path.display().to_string())
    }

    #[test]
    fn the_report_of_a_wrong_command_line_is_found_wherever_it_stands() {
        for line in [
            "gantline run --report r job.json --bogus",
            "gantline run --bogus --report r",
            "gantline run job.json --timeout 5x --report=r",
            "gantline run --image i --report r --timeout 5x",
        ] {
            assert_eq!(report(line).as_deref(), Some("r"), "{line}");
        }
    }

    #[test]
    fn what_may_be_a_programs_own_word_is_none_of_ours() {
        for line in [
            "gantline run --image i --bogus program --report r",
            "gantline run --image i --timeout 5x program --report r",
            "gantline run --image i program --report r",
            "gantline run job.json --bogus -- --report r",
            "gantline check job.json --report r",
            "gantline run --report",
            "gantline",
        ] {
            assert_eq!(report(line), None, "{line}");
        }
    }
}
