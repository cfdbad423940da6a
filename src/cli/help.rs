//! `gantline help`: the options of a command, or a chapter of the manual.

use std::io;

use clap::CommandFactory;

use super::args::Cli;
use super::{Failure, exit, fold, looks, render};
use crate::manual::CHAPTERS;

/// Prints what is known of a topic, or what topics there are.
pub(super) fn help(topic: Option<&str>) -> Result<u8, Failure> {
    let mut cli = Cli::command();
    // Gives the commands below it their whole names.
    cli.build();
    let Some(topic) = topic else {
        return render::print(&cli.render_long_help().to_string());
    };
    if let Some((_, _, text)) = CHAPTERS.iter().find(|(name, ..)| *name == topic) {
        let text = without_comments(text);
        return render::print(&match looks::columns_of(io::stdout()) {
            Some(columns) => fold::fold(&text, columns.into()),
            None => text,
        });
    }
    let Some(command) = cli.find_subcommand_mut(topic) else {
        return Err(unknown(topic));
    };
    render::print(&command.render_long_help().to_string())
}

/// A chapter without what is for its authors.
fn without_comments(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with("<!--")).collect()
}

/// The topics, and the commands.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let cli = Cli::command();
    let commands = COMMANDS.into_iter().filter(move |name| cli.find_subcommand(name).is_some());
    CHAPTERS.iter().map(|(name, ..)| *name).chain(commands)
}

/// All commands, of which a build may lack some. What a shell completes must be named in the source.
const COMMANDS: [&str; 13] = [
    "run",
    "check",
    "help",
    "init",
    "schema",
    "depot",
    "upload",
    "worker",
    "prune",
    "bench",
    "version",
    "completions",
    "man",
];

fn unknown(topic: &str) -> Failure {
    const NEAR: f64 = 0.8;
    let all = names().collect::<Vec<_>>().join(", ");
    let nearest = names().map(|name| (strsim::jaro_winkler(topic, name), name));
    let nearest = nearest.filter(|(likeness, _)| *likeness >= NEAR);
    let nearest = nearest.max_by(|(one, _), (other, _)| one.total_cmp(other));
    let meant = nearest.map(|(_, name)| format!("; did you mean {name}?")).unwrap_or_default();
    let message = format!("there is no help about {topic:?}, but about {all}{meant}");
    Failure { message, code: exit::BAD_JOB }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_named() {
        let cli = Cli::command();
        let commands = cli.get_subcommands().filter(|command| !command.is_hide_set());
        let commands: Vec<_> = commands.map(clap::Command::get_name).collect();
        let topics = CHAPTERS.iter().map(|(name, ..)| *name);
        assert!(names().eq(topics.chain(commands.iter().copied())), "{commands:?}");
    }

    #[test]
    fn the_readme_names_every_topic_and_command() {
        let (_, end) = include_str!("../../README.md").split_once("## Read on").unwrap();
        let missing: Vec<_> =
            names().filter(|name| *name != "help" && !end.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn no_topic_is_called_as_a_command_is() {
        let cli = Cli::command();
        for (name, ..) in CHAPTERS {
            assert!(cli.find_subcommand(name).is_none(), "{name}");
        }
    }
}
