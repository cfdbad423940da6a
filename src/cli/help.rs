//! `gantline help`: the options of a command, or a chapter of the manual.

use clap::CommandFactory;

use super::args::Cli;
use super::{Failure, exit, render};
use crate::manual::CHAPTERS;

/// Prints what is known of a topic, or what topics there are.
pub(super) fn help(words: &[String]) -> Result<u8, Failure> {
    let mut cli = Cli::command();
    // Gives the commands below it their whole names.
    cli.build();
    let Some(topic) = words.first() else {
        return render::print(&cli.render_long_help().to_string());
    };
    if let Some((_, _, text)) = CHAPTERS.iter().find(|(name, ..)| name == topic) {
        return render::print(text);
    }
    let mut command = &mut cli;
    for word in words {
        let Some(found) = command.find_subcommand_mut(word) else {
            return Err(unknown(word));
        };
        command = found;
    }
    render::print(&command.render_long_help().to_string())
}

fn unknown(topic: &str) -> Failure {
    let commands = Cli::command();
    let commands = commands.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<_> = CHAPTERS
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .chain(commands.map(|command| command.get_name().to_owned()))
        .collect();
    let message = format!("there is no help about {topic:?}, but about {}", names.join(", "));
    Failure { message, code: exit::BAD_JOB }
}

/// The topics, as help shows them.
pub(super) fn topics() -> String {
    let mut text = "Topics:\n".to_owned();
    for (name, about, _) in CHAPTERS {
        text.push_str(&format!("  {name:<24} {about}\n"));
    }
    text + "\nExamples:\n  gantline help job\n  gantline help run"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_topic_is_called_as_a_command_is() {
        let cli = Cli::command();
        for (name, ..) in CHAPTERS {
            assert!(cli.find_subcommand(name).is_none(), "{name}");
        }
    }
}
