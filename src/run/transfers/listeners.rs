//! Who hears what passes: one interface ([`Listen`]) for the container's streams and for progress
//! pipes.
//!
//! [`Listeners`] hear stdout and stderr beside the sinks, in the pump's thread; a progress pipe has
//! one as its sink ([`ProgressLines`](super::progress_pipe::ProgressLines)). What a run hears by
//! itself is here: the last words for its errors, and what goes to the job in Girder.

use std::sync::{Arc, Mutex, PoisonError};

use crate::pump::{Listen, Outlet};
use crate::reporter::{Decoder, JobTeller};
use crate::run::failure::Tail;
use crate::run::transfers::filter_progress::FilterProgress;
use crate::run::transfers::progress_pipe::TellProgress;

/// Hear the container's two streams as they pass, in the pump's thread.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    stdout: Vec<Box<dyn Listen>>,
    stderr: Vec<Box<dyn Listen>>,
}

impl Listeners {
    /// One more that hears a stream.
    pub(crate) fn add(&mut self, outlet: Outlet, listener: impl Listen + 'static) {
        self.of(outlet).push(Box::new(listener));
    }

    /// More came.
    pub(crate) fn hear(&mut self, outlet: Outlet, bytes: &[u8]) {
        self.of(outlet).iter_mut().for_each(|listener| listener.hear(bytes));
    }

    /// That was all.
    pub(crate) fn ended(&mut self) {
        self.stdout.iter_mut().chain(&mut self.stderr).for_each(|listener| listener.ended());
    }

    fn of(&mut self, outlet: Outlet) -> &mut Vec<Box<dyn Listen>> {
        match outlet {
            Outlet::StdOut => &mut self.stdout,
            Outlet::StdErr => &mut self.stderr,
        }
    }
}

/// Keeps the last lines of a stream.
pub(crate) struct LastWords(pub(crate) Arc<Mutex<Tail>>);

impl Listen for LastWords {
    fn hear(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hear(bytes);
    }

    fn ended(&mut self) {}
}

/// Puts a stream into the job's log.
pub(crate) struct Logged {
    teller: JobTeller,
    decoder: Decoder,
}

impl Logged {
    pub(crate) fn new(teller: &JobTeller) -> Self {
        Self { teller: teller.clone(), decoder: Decoder::default() }
    }
}

impl Listen for Logged {
    fn hear(&mut self, bytes: &[u8]) {
        let text = self.decoder.decode(bytes);
        if !text.is_empty() {
            self.teller.log(&text);
        }
    }

    fn ended(&mut self) {}
}

/// Takes what Slicer's programs say of their progress out of a stream, and lets another hear the rest.
pub(crate) struct WithoutProgress<L> {
    rest: L,
    filter: FilterProgress,
    tell: TellProgress,
}

impl<L: Listen> WithoutProgress<L> {
    pub(crate) fn new(rest: L, tell: TellProgress) -> Self {
        Self { rest, filter: FilterProgress::default(), tell }
    }
}

impl<L: Listen> Listen for WithoutProgress<L> {
    fn hear(&mut self, bytes: &[u8]) {
        self.filter.hear(bytes, |text| self.rest.hear(text), |progress| (self.tell)(progress));
    }

    fn ended(&mut self) {
        // What was held back as the beginning of an element was text.
        self.rest.hear(&self.filter.end());
        self.rest.ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::JobProgress;

    /// Keeps what it hears.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<(Vec<u8>, u32)>>);

    impl Listen for Heard {
        fn hear(&mut self, bytes: &[u8]) {
            self.0.lock().unwrap().0.extend_from_slice(bytes);
        }

        fn ended(&mut self) {
            self.0.lock().unwrap().1 += 1;
        }
    }

    #[test]
    fn each_hears_its_own_stream_and_all_of_them_the_end() {
        let (out, also_out, err) = (Heard::default(), Heard::default(), Heard::default());
        let mut listeners = Listeners::default();
        listeners.add(Outlet::StdOut, out.clone());
        listeners.add(Outlet::StdOut, also_out.clone());
        listeners.add(Outlet::StdErr, err.clone());
        listeners.hear(Outlet::StdOut, b"a");
        listeners.hear(Outlet::StdErr, b"b");
        listeners.hear(Outlet::StdOut, b"c");
        listeners.ended();
        for (heard, bytes) in [(out, b"ac".as_slice()), (also_out, b"ac"), (err, b"b")] {
            assert_eq!(*heard.0.lock().unwrap(), (bytes.to_vec(), 1));
        }
    }

    #[test]
    fn progress_is_taken_out_and_what_only_looks_like_it_is_heard_at_the_end() {
        let (rest, told) = (Heard::default(), Arc::new(Mutex::new(Vec::new())));
        let tells = Arc::clone(&told);
        let tell: TellProgress =
            Arc::new(move |told: JobProgress| tells.lock().unwrap().push(told));
        let mut listener = WithoutProgress::new(rest.clone(), tell);
        listener.hear(b"a<filter-progress>0.5</filter-progress>b<filter-prog");
        listener.ended();
        assert_eq!(*rest.0.lock().unwrap(), (b"ab<filter-prog".to_vec(), 1));
        assert_eq!(told.lock().unwrap()[0].current, Some(0.5));
    }
}
