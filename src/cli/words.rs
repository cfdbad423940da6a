//! What a run does, in words.

use super::render;
use crate::event::{JobProgress, Phase};

/// What a run does in a phase. `pipe` is one that nobody has opened yet.
pub(super) fn of(phase: Phase, pipe: Option<&str>) -> String {
    let words = match phase {
        Phase::Prepare => "making image, volumes and files ready",
        Phase::Start => "starting the container",
        Phase::Stream => match pipe {
            Some(pipe) => return format!("waiting for the first reader of {pipe}"),
            None => "the container runs",
        },
        Phase::Wait => "waiting for the last bytes",
        Phase::Collect => "putting results in their place",
        Phase::CleanUp => "cleaning up",
    };
    words.to_owned()
}

/// How far a container is: `1 of 3, step 1`.
pub(super) fn of_progress(progress: &JobProgress) -> String {
    let JobProgress { total, current, message } = progress;
    let numbers = match (current, total) {
        (Some(current), Some(total)) => format!("{current} of {total}"),
        (Some(current), None) => current.to_string(),
        (None, _) => String::new(),
    };
    let message = message.iter().flat_map(|text| text.chars());
    let message: String = message.filter(|c| !c.is_control()).take(MOST_SHOWN).collect();
    let message = render::harmless(&message);
    match (numbers.is_empty(), message.is_empty()) {
        (false, false) => format!("{numbers}, {message}"),
        _ => numbers + &message,
    }
}

/// What a bar shows of a transfer's label: of a long path of this host its last part, since a bar has room for some
/// thirty characters.
pub(super) fn of_label(label: &str) -> String {
    const MOST: usize = 30;
    let short = |end: &str| match end.strip_prefix("file:").and_then(|path| path.rsplit_once('/')) {
        Some((folder, name)) if !folder.is_empty() && end.chars().count() > MOST => {
            format!("file:…/{name}")
        }
        _ => end.to_owned(),
    };
    let ends: Vec<_> = label.split(" → ").map(short).collect();
    render::harmless(&ends.join(" → ")).into_owned()
}

/// Characters of a message: what fits a line.
const MOST_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_the_end_of_a_long_path() {
        for (label, shown) in [
            ("file:/data/in.csv → fifo:in", "file:/data/in.csv → fifo:in"),
            ("file:/a/folder/of/many/folders/in.csv → fifo:in", "file:…/in.csv → fifo:in"),
            ("fifo:out → file:/a/folder/of/many/folders/入力.csv", "fifo:out → file:…/入力.csv"),
            (
                "girder:5f8f7c2a1b2c3d4e5f6a7b8c → fifo:in",
                "girder:5f8f7c2a1b2c3d4e5f6a7b8c → fifo:in",
            ),
            ("file:/a/folder/of/many/folders/a\u{1b}b → fifo:in", "file:…/a\\u{1b}b → fifo:in"),
        ] {
            assert_eq!(of_label(label), shown);
        }
    }

    #[test]
    fn of_a_long_message_its_beginning_is_shown() {
        let progress =
            |message: String| JobProgress { message: Some(message), ..JobProgress::default() };
        let most = "\u{e9}".repeat(MOST_SHOWN);
        assert_eq!(of_progress(&progress(most.clone())), most);
        assert_eq!(of_progress(&progress(format!("{most}x"))), most);
    }
}
