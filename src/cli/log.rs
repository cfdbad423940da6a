//! Debug messages on stderr, by `GANTLINE_LOG`.

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::{Failure, exit};
use crate::settings::Environment;

/// How a command logs.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// What is logged if `GANTLINE_LOG` says nothing; `None`: nothing.
    pub(super) level: Option<&'static str>,
    /// Lines of JSON.
    pub(super) json: bool,
}

impl Log {
    /// Begins to log.
    pub(super) fn begin(self, environment: &Environment) -> Result<(), Failure> {
        let wanted = environment.text(VARIABLE).map_err(|error| Failure::bad_usage(&error))?;
        let Some(directives) = wanted.or(self.level) else { return Ok(()) };
        if let Some(unknown) = directives.split(',').find(|directive| !is_understood(directive)) {
            return Err(Failure {
                message: format!("{VARIABLE} is {directives:?}: {unknown:?} is none of {LEVELS}"),
                code: exit::BAD_JOB,
            });
        }
        let filter = EnvFilter::try_new(directives).map_err(|error| Failure {
            message: format!("{VARIABLE} is {directives:?}: {error}"),
            code: exit::BAD_JOB,
        })?;
        // Only our own: the libraries below would log the headers of requests, with tokens in them.
        let ours = filter_fn(|metadata| metadata.target().starts_with("gantline"));
        let is_set = |name, refuses: fn(&str) -> bool| {
            environment.text(name).is_ok_and(|value| value.is_some_and(refuses))
        };
        let unwanted = is_set("NO_COLOR", |_| true) || is_set("TERM", |value| value == "dumb");
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr()) && !unwanted;
        let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
        let lines = if self.json { lines.json().boxed() } else { lines.boxed() };
        let lines = lines.with_filter(ours).with_filter(filter);
        // Another subscriber can only be that of a program that embeds us: it stays.
        let _ = tracing_subscriber::registry().with(lines).try_init();
        Ok(())
    }
}

/// Whether something is a level, or one of a module of ours: the filter takes any word, and logs
/// nothing then.
fn is_understood(directive: &str) -> bool {
    let (module, level) = directive.split_once('=').unwrap_or(("gantline", directive));
    let level = level.trim();
    let is_level = LEVELS.split(", ").any(|known| known.eq_ignore_ascii_case(level));
    module.trim().starts_with("gantline") && is_level || directive.trim().starts_with("gantline")
}

const VARIABLE: &str = "GANTLINE_LOG";
const LEVELS: &str = "error, warn, info, debug, trace, off";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_filter_would_take_and_never_find_is_not_understood() {
        for directive in ["debug", "WARN", "off", "gantline", "gantline::run=trace", " info"] {
            assert!(is_understood(directive), "{directive}");
        }
        for directive in ["", "debgu", "pump=trace", "1", "hyper=debug", "verbose"] {
            assert!(!is_understood(directive), "{directive}");
        }
    }
}
