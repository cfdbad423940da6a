//! Shows what a run tells in a thread of its own: standard error that takes nothing, such as a terminal that was
//! stopped, holds up neither the run nor the answer to a signal.

use std::thread;

use crossbeam_channel::{Sender, unbounded};

use crate::event::{Event, EventSink, RunId};

/// The way to the thread.
#[derive(Debug, Clone)]
pub(super) struct Aside(Sender<Task>);

enum Task {
    Event(RunId, Event),
    Call(Box<dyn FnOnce() + Send>),
    /// After which there are no more.
    Last(Box<dyn FnOnce() + Send>),
}

impl Aside {
    /// Has `shown` told of events. The thread ends when the last [`Aside`] is dropped.
    pub(super) fn begin(shown: Box<dyn EventSink>) -> std::io::Result<Self> {
        let (tasks, given) = unbounded();
        thread::Builder::new().name("gantline-shows".to_owned()).spawn(move || {
            for task in given {
                match task {
                    Task::Event(run, event) => shown.event(&run, &event),
                    Task::Call(call) => call(),
                    Task::Last(call) => {
                        drop(shown);
                        return call();
                    }
                }
            }
        })?;
        Ok(Self(tasks))
    }

    /// Calls this when what was told before is shown.
    pub(super) fn call(&self, call: impl FnOnce() + Send + 'static) {
        // It panics only where a sink does.
        let _ = self.0.send(Task::Call(Box::new(call)));
    }

    /// Calls this when everything is shown, and the sink is dropped.
    pub(super) fn end(self, call: impl FnOnce() + Send + 'static) {
        let _ = self.0.send(Task::Last(Box::new(call)));
    }
}

impl EventSink for Aside {
    fn event(&self, run: &RunId, event: &Event) {
        // The next of these says what is so then.
        let is_passing =
            matches!(event, Event::TransferAdvanced { .. } | Event::Pull(_) | Event::Progress(_));
        if !is_passing || self.0.len() < MOST_WAITING {
            let _ = self.0.send(Task::Event(run.clone(), event.clone()));
        }
    }
}

/// How much may wait to be shown before what is soon out of date is left out.
const MOST_WAITING: usize = 1000;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;
    use crate::event::{JobProgress, Phase};

    #[test]
    fn who_shows_nothing_holds_nobody_up_and_misses_only_what_is_out_of_date() {
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let waits = Mutex::new(may_go_on);
        let shown = move |_: &RunId, event: &Event| {
            let _ = waits.lock().unwrap().recv();
            tell.send(event.clone()).unwrap();
        };
        let aside = Aside::begin(Box::new(shown)).unwrap();
        let run = RunId::random();
        for _ in 0..3 * MOST_WAITING {
            aside.event(&run, &Event::Progress(JobProgress::default()));
        }
        aside.event(&run, &Event::Warning("w".to_owned()));
        aside.event(&run, &Event::PhaseStarted(Phase::Wait));
        drop((aside, go_on));
        let told: Vec<_> = told.iter().collect();
        assert!(told.len() <= MOST_WAITING + 3, "{}", told.len());
        assert!(told.contains(&Event::Warning("w".to_owned())));
        assert_eq!(told.last(), Some(&Event::PhaseStarted(Phase::Wait)));
    }
}
