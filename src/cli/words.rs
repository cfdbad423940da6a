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

/// Characters of a message: what fits a line.
const MOST_SHOWN: usize = 200;
