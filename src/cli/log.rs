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
        let filter = EnvFilter::try_new(directives).map_err(|error| Failure {
            message: format!("{VARIABLE} is {directives:?}: {error}"),
            code: exit::BAD_JOB,
        })?;
        // Only our own: the libraries below would log the headers of requests, with tokens in them.
        let ours = filter_fn(|metadata| metadata.target().starts_with("gantline"));
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
        let lines = if self.json { lines.json().boxed() } else { lines.boxed() };
        let lines = lines.with_filter(ours).with_filter(filter);
        // Another subscriber can only be that of a program that embeds us: it stays.
        let _ = tracing_subscriber::registry().with(lines).try_init();
        Ok(())
    }
}

const VARIABLE: &str = "GANTLINE_LOG";
