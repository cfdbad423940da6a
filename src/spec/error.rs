//! What is wrong with a job, and where.

use std::fmt;

use thiserror::Error;

/// A job document that cannot be run: its author is to blame, and this says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {problem}")]
pub struct SpecError {
    place: Place,
    problem: Problem,
}

impl SpecError {
    pub(super) fn new(place: Place, problem: Problem) -> Self {
        Self { place, problem }
    }

    /// The same without line and column: there is no text that its author would have seen.
    pub(super) fn without_text(mut self) -> Self {
        self.place.line = 0;
        self.place.column = 0;
        if self.place.path.is_empty() {
            self.place.path = "$".to_owned();
        }
        self
    }

    /// Where in the document.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong there.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// A place in a job document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The JSON path: `$` is the document, `$.container_args[1].volume` something in it. Empty when
    /// the text is not JSON at all.
    pub path: String,
    /// Counted from 1; 0 if the job was put together without a text.
    pub line: usize,
    /// Counted from 1, in characters; 0 without a text.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.path)
        } else if self.path.is_empty() {
            write!(f, "line {}, column {}", self.line, self.column)
        } else {
            write!(f, "{} (line {}, column {})", self.path, self.line, self.column)
        }
    }
}

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not JSON.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// A limit on the size of a document or of a part of it.
    #[error("{found} {unit} are too many: at most {most} are allowed")]
    TooMany {
        /// How many there are, or one more than are allowed if the rest was not counted.
        found: usize,
        /// Of what.
        unit: &'static str,
        /// The limit.
        most: usize,
    },
    /// A value that is not of the right kind.
    #[error("found {found}, expected {expected}")]
    Unexpected {
        /// What is there, without secrets, shortened.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A path of the host that is not absolute.
    #[error("found the path {found:?}, expected {expected}; nothing expands it here")]
    NotAbsolute {
        /// The path, shortened.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A member that must be there and is not.
    #[error("{owner} needs `{member}`")]
    Missing {
        /// The object's kind.
        owner: &'static str,
        /// The member.
        member: &'static str,
    },
    /// A member that its object does not have.
    #[error("{owner} has no `{member}`; {hint}")]
    UnknownMember {
        /// The object's kind.
        owner: &'static str,
        /// What was written, shortened.
        member: String,
        /// What may have been meant.
        hint: Hint,
    },
    /// A `type` that does not exist.
    #[error("there is no type `{name}`; {hint}")]
    UnknownType {
        /// What was written, shortened.
        name: String,
        /// What may have been meant.
        hint: Hint,
    },
    /// A Python class that cannot be in a message.
    #[error("the class `{name}` cannot be used here; {hint}")]
    UnknownClass {
        /// What was written, shortened.
        name: String,
        /// What may have been meant.
        hint: Hint,
    },
    /// A `py/id` that refers to nothing before it.
    #[error("there is no object {id} before this, of which there are {objects}")]
    UnknownReference {
        /// What was written.
        id: String,
        /// How many there are.
        objects: usize,
    },
    /// A message that asks for something else than a container.
    #[error("the task `{name}` cannot be run; known are {known}")]
    UnknownTask {
        /// The task's name, shortened.
        name: String,
        /// Those that can be run.
        known: String,
    },
    /// A message whose transforms read from different servers.
    #[error("this is at another Girder server than what is before it")]
    OtherServer,
    /// A volume that is named but not declared.
    #[error("there is no volume named `{name}` in `volumes` or before this; {hint}")]
    UnknownVolume {
        /// What was written, shortened.
        name: String,
        /// What may have been meant.
        hint: Hint,
    },
    /// A `type` that exists, but not here.
    #[error("`{name}` does not belong here, but in {belongs}; expected {expected}")]
    Misplaced {
        /// The type.
        name: &'static str,
        /// Where it belongs.
        belongs: &'static str,
        /// What would be right here.
        expected: String,
    },
    /// A member that a job may not set, ever.
    #[error("`{member}` cannot be set: {why}")]
    Refused {
        /// The member.
        member: &'static str,
        /// Why not, and what to do instead.
        why: &'static str,
    },
    /// One object has a member twice; readers of JSON differ in which one counts.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// A member that says nothing without another one.
    #[error("`{member}` needs `{other}` beside it")]
    Incomplete {
        /// The member.
        member: &'static str,
        /// The one that is missing.
        other: &'static str,
    },
    /// Two members that contradict each other.
    #[error("`{member}` and `{other}` cannot be given together")]
    Exclusive {
        /// One.
        member: &'static str,
        /// The other.
        other: &'static str,
    },
    /// Ports of a container that has none of its own.
    #[error(
        "a container on the host's network has no ports of its own to open: `ports` cannot be \
             given with the network `host`"
    )]
    PortsOfHost,
    /// Two volumes on one path in the container.
    #[error("another volume is mounted at {0} already")]
    MountTaken(String),
    /// An option of a mode that the engine does not take for this kind of volume.
    #[error("the mode `{option}` is only for {only_for}")]
    ModeMismatch {
        /// The option.
        option: String,
        /// The kind of volume that has it.
        only_for: &'static str,
    },
    /// A temporary volume that is described twice, differently.
    #[error("the temporary volume `{name}` has another `{member}` before this")]
    Contradiction {
        /// The volume's name.
        name: String,
        /// What differs.
        member: &'static str,
    },
    /// A FIFO that two ends would share.
    #[error("the FIFO `{0}` is connected already: bytes of two transfers would mix in it")]
    FifoTaken(String),
    /// A FIFO, a download or an upload in an engine's volume.
    #[error("{what} needs a folder of the host, and `{volume}` is the engine's volume")]
    NotOnHost {
        /// What it is.
        what: String,
        /// The engine's volume.
        volume: String,
    },
    /// A stream of the container, or a file of the host, that two Connects would share.
    #[error("{0} is connected already")]
    EndTaken(String),
    /// A Connect that has nothing to do with the container.
    #[error(
        "neither end is in the container: a Connect needs a NamedInputPipe, NamedOutputPipe, \
         ContainerStdOut or ContainerStdErr"
    )]
    NotInContainer,
}

/// What may have been meant by a name that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// A known name that is much like it.
    Nearest(String),
    /// The names that would be right, for want of a near one.
    Known(Vec<String>),
    /// The same, where docker-py's keywords would be right as well: they are too many to list.
    KnownAndKeywords(Vec<String>),
    /// What whoever sends a message can write in Python.
    Python(&'static str),
}

impl Hint {
    /// The nearest of `known`, if one is near enough to be a slip of the pen.
    pub(super) fn new<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        // A long name is not a slip, and comparing it is work for its author to give us.
        const LONGEST: usize = 100;
        const NEAR: f64 = 0.8;
        let known: Vec<&str> = known.into_iter().collect();
        let elsewhere = OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        if let Some((_, meant)) = elsewhere
            && let Some(meant) = meant.iter().find(|meant| known.contains(meant))
        {
            return Self::Nearest((*meant).to_owned());
        }
        let name = if name.len() <= LONGEST { name.to_ascii_lowercase() } else { String::new() };
        let nearest = known
            .iter()
            .map(|other| (strsim::jaro_winkler(&name, &other.to_ascii_lowercase()), *other))
            .filter(|(similarity, _)| *similarity >= NEAR)
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        match nearest {
            Some((_, nearest)) => Self::Nearest(nearest.to_owned()),
            None => Self::Known(known.into_iter().map(str::to_owned).collect()),
        }
    }
}

/// What docker, docker-py, Girder Worker and people call members, and what these may be called in a
/// job: likeness of letters would find none, or another one.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("args", &["container_args"]),
    ("arguments", &["container_args"]),
    ("argv", &["container_args"]),
    ("cmd", &["container_args"]),
    ("token", &["girder_client_token"]),
    ("girder_token", &["girder_client_token"]),
    ("girder_url", &["girder_api_url"]),
    ("api_url", &["girder_api_url"]),
    ("file_id", &["id"]),
    ("item_id", &["id"]),
    ("folder_id", &["id"]),
    ("_id", &["id"]),
    ("id", &["item_id", "folder_id", "job_id"]),
    ("hooks", &["girder_result_hooks"]),
    ("result_hooks", &["girder_result_hooks"]),
    ("outputs", &["girder_result_hooks"]),
    ("connectors", &["stream_connectors"]),
    ("streams", &["stream_connectors"]),
    ("pull", &["pull_image"]),
    ("rm", &["remove_container"]),
    ("bind", &["volumes"]),
    ("binds", &["volumes"]),
    ("env", &["environment"]),
    ("gpus", &["gpu"]),
    ("memory", &["mem_limit"]),
    ("cpus", &["nano_cpus"]),
    ("workdir", &["working_dir"]),
    ("cwd", &["working_dir"]),
    ("source", &["input", "host_path"]),
    ("from", &["input"]),
    ("sink", &["output"]),
    ("to", &["output"]),
    ("target", &["container_path", "output"]),
    ("path", &["filename", "volumepath", "name"]),
    ("file", &["filename", "path"]),
    ("filename", &["path", "name"]),
    ("address", &["url"]),
];

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python(way) => f.write_str(way),
            Self::Nearest(name) => write!(f, "did you mean `{name}`?"),
            Self::Known(names) if names.is_empty() => f.write_str("none is known"),
            Self::Known(names) => write!(f, "known are {}", quoted(names)),
            Self::KnownAndKeywords(names) => {
                let others = "the keywords of docker-py's `containers.run`";
                match names.is_empty() {
                    true => write!(f, "known are {others}"),
                    false => write!(f, "known are {}, and {others}", quoted(names)),
                }
            }
        }
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_the_name_that_was_meant() {
        let known = ["container_args", "volumes", "entrypoint", "pull_image", "image"];
        for (written, meant) in [
            ("container_arg", "container_args"),
            ("containerArgs", "container_args"),
            ("volume", "volumes"),
            ("entry_point", "entrypoint"),
            ("Image", "image"),
            ("pull-image", "pull_image"),
        ] {
            assert_eq!(Hint::new(written, known), Hint::Nearest(meant.to_owned()), "{written}");
        }
        for written in ["", "x", "zzzzzz", &"image".repeat(50)] {
            assert!(matches!(Hint::new(written, known), Hint::Known(all) if all.len() == 5));
        }
    }

    #[test]
    fn a_name_that_is_too_long_to_be_a_slip_is_compared_with_nothing() {
        for (length, is_near) in [(100, true), (101, false)] {
            let known = "a".repeat(length);
            let written = format!("{}b", &known[1..]);
            let hint = Hint::new(&written, [&*known]);
            assert_eq!(matches!(hint, Hint::Nearest(_)), is_near, "{length}: {hint:?}");
        }
    }
}
