//! Hears the container's output as it passes: its last words, and what goes to the job in Girder.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::pump::Outlet;
use crate::reporter::{Decoder, JobTeller};
use crate::run::failure::Tail;
use crate::run::transfers::filter_progress::FilterProgress;
use crate::run::transfers::progress_pipe::TellProgress;

/// Hears both streams, in the pump's thread.
#[derive(Default)]
pub(crate) struct Ear {
    tail: Arc<Mutex<Tail>>,
    stdout: Option<Logged>,
    stderr: Option<Logged>,
    filter: Option<(FilterProgress, TellProgress)>,
}

/// A stream that goes to the job's log.
struct Logged {
    teller: JobTeller,
    decoder: Decoder,
}

impl Ear {
    /// Keeps the last lines of standard error in `tail`.
    pub(crate) fn new(tail: Arc<Mutex<Tail>>) -> Self {
        Self { tail, ..Self::default() }
    }

    /// Standard output goes to the log, but for what Slicer's programs say of their progress.
    #[must_use]
    pub(crate) fn with_stdout(self, teller: &JobTeller, tell: TellProgress) -> Self {
        let filter = Some((FilterProgress::default(), tell));
        Self { stdout: Some(Logged::new(teller)), filter, ..self }
    }

    /// Standard error goes to the log.
    #[must_use]
    pub(crate) fn with_stderr(self, teller: &JobTeller) -> Self {
        Self { stderr: Some(Logged::new(teller)), ..self }
    }

    /// More came.
    pub(crate) fn hear(&mut self, outlet: Outlet, bytes: &[u8]) {
        match outlet {
            Outlet::StdOut => {
                let Self { stdout: Some(log), filter: Some((filter, tell)), .. } = self else {
                    return;
                };
                filter.hear(bytes, |text| log.hear(text), |progress| tell(progress));
            }
            Outlet::StdErr => {
                self.tail.lock().unwrap_or_else(PoisonError::into_inner).hear(bytes);
                if let Some(log) = &mut self.stderr {
                    log.hear(bytes);
                }
            }
        }
    }

    /// That was all: what was held back as the beginning of an element was text.
    pub(crate) fn end(&mut self) {
        if let (Some(log), Some((filter, _))) = (&mut self.stdout, &mut self.filter) {
            log.hear(&filter.end());
        }
    }
}

impl Logged {
    fn new(teller: &JobTeller) -> Self {
        Self { teller: teller.clone(), decoder: Decoder::default() }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let text = self.decoder.decode(bytes);
        if !text.is_empty() {
            self.teller.log(&text);
        }
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").field("tail", &self.tail).finish_non_exhaustive()
    }
}
