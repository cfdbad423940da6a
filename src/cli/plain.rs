//! Progress as lines, for logs.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::looks::columns_of;
use super::progress::is_worth_showing;
use super::{render, words};
use crate::event::{Event, EventSink, Finish, JobProgress, PullProgress, RunId, TransferId};

/// A line where something begins or ends, and every [`PAUSE`] between. It has no clock of its own:
/// what does not move is not reported again.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    transfers: HashMap<TransferId, Transfer>,
    pulling: Option<Instant>,
    /// When the steps that are counted began, and how many there were since.
    progressed: Option<Instant>,
    steps: u32,
    /// The last step.
    step: String,
}

#[derive(Debug)]
struct Transfer {
    label: String,
    began: Instant,
    told: Instant,
    told_bytes: u64,
}

impl EventSink for Lines {
    fn event(&self, _: &RunId, event: &Event) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = state.line(event, Instant::now()) else { return };
        match columns_of(io::stderr()) {
            Some(columns) => fold(&line, columns).iter().for_each(|part| render::say(part)),
            None => render::say(&line),
        }
    }
}

/// Lines that a terminal of so many columns does not wrap, with what each of them begins with.
fn fold(line: &str, columns: u16) -> Vec<String> {
    const BEGIN: usize = "gantline: ".len();
    let columns = usize::from(columns).saturating_sub(BEGIN).max(LEAST);
    let line = render::harmless(line);
    textwrap::wrap(&line, columns).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// However narrow it is.
const LEAST: usize = 20;

/// Between two lines about the same thing.
const PAUSE: Duration = Duration::from_secs(5);

/// How many steps of a container are told in some time.
const MOST_STEPS: u32 = 100;
const STEPS_PAUSE: Duration = PAUSE;

impl State {
    fn line(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Warning(warning) => Some(format!("warning: {warning}")),
            Event::PhaseStarted(phase) => Some(words::of(*phase, None)),
            Event::Pull(line) => self.pull(line, now),
            Event::Progress(progress) => self.progress(progress, now),
            Event::ContainerCreated { name, .. } => Some(format!("created container {name}")),
            Event::ContainerStarted { .. } => Some("started the container".to_owned()),
            Event::ContainerExited { exit_code } => {
                Some(format!("the container exited with {exit_code}"))
            }
            Event::TransferStarted { transfer, label, total } if is_worth_showing(label) => {
                let new = Transfer { label: label.clone(), began: now, told: now, told_bytes: 0 };
                self.transfers.insert(*transfer, new);
                let size = total.map(|total| format!(", {}", render::bytes(total)));
                Some(format!("{label}: begins{}", size.unwrap_or_default()))
            }
            Event::TransferAdvanced { transfer, bytes, total } => {
                self.transfers.get_mut(transfer)?.advanced(*bytes, *total, now)
            }
            Event::TransferEnded { transfer, bytes, finish } => {
                Some(self.transfers.remove(transfer)?.ended(*bytes, *finish, now))
            }
            _ => None,
        }
    }

    /// What the container says of its progress: each step, unless they come by the hundred.
    fn progress(&mut self, progress: &JobProgress, now: Instant) -> Option<String> {
        let since = self.progressed.map_or(STEPS_PAUSE, |told| now.duration_since(told));
        if since >= STEPS_PAUSE {
            self.steps = 0;
            self.progressed = Some(now);
        }
        let line = format!("progress: {}", words::of_progress(progress));
        if self.steps == MOST_STEPS || line == self.step {
            return None;
        }
        self.steps += 1;
        self.step.clone_from(&line);
        Some(line)
    }

    /// Layers come by the dozen: the first line, then one now and then.
    fn pull(&mut self, line: &PullProgress, now: Instant) -> Option<String> {
        if self.pulling.is_some_and(|told| now.duration_since(told) < PAUSE) {
            return None;
        }
        self.pulling = Some(now);
        let layer = line.layer.as_ref().map(|layer| format!(" {layer}"));
        let bytes = line.current.zip(line.total).map(|(current, total)| {
            format!(" {} of {}", render::bytes(current), render::bytes(total))
        });
        let (layer, bytes) = (layer.unwrap_or_default(), bytes.unwrap_or_default());
        Some(format!("pull:{layer} {}{bytes}", line.status))
    }
}

impl Transfer {
    fn advanced(&mut self, bytes: u64, total: Option<u64>, now: Instant) -> Option<String> {
        let since = now.duration_since(self.told);
        if since < PAUSE {
            return None;
        }
        let rate = rate(bytes.saturating_sub(self.told_bytes), since);
        (self.told, self.told_bytes) = (now, bytes);
        let total = total.map(|total| format!(" of {}", render::bytes(total)));
        let total = total.unwrap_or_default();
        Some(format!("{}: {}{total}, {rate}", self.label, render::bytes(bytes)))
    }

    fn ended(self, bytes: u64, finish: Finish, now: Instant) -> String {
        let took = now.duration_since(self.began);
        let (label, rate) = (self.label, rate(bytes, took));
        let seconds = took.as_secs_f64();
        format!("{label}: {}, {} in {seconds:.1} s, {rate}", finish.as_str(), render::bytes(bytes))
    }
}

pub(super) fn rate(bytes: u64, over: Duration) -> String {
    // A rate for people: the bits that are lost do not show.
    let nanos = over.as_nanos().max(1);
    let per_second = u128::from(bytes) * 1_000_000_000 / nanos;
    format!("{}/s", render::bytes(u64::try_from(per_second).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_told_at_its_ends_and_now_and_then() {
        let (mut state, began) = (State::default(), Instant::now());
        let mut at = |seconds, event| state.line(&event, began + Duration::from_secs(seconds));
        let started = Event::TransferStarted {
            transfer: TransferId::new(0),
            label: "girder:5f → fifo:in".to_owned(),
            total: Some(1 << 30),
        };
        assert_eq!(at(0, started).unwrap(), "girder:5f → fifo:in: begins, 1.00 GiB");
        let advanced = |bytes| Event::TransferAdvanced {
            transfer: TransferId::new(0),
            bytes,
            total: Some(1 << 30),
        };
        assert_eq!(at(1, advanced(1)), None);
        assert_eq!(
            at(8, advanced(512 << 20)).unwrap(),
            "girder:5f → fifo:in: 512.00 MiB of 1.00 GiB, 64.00 MiB/s"
        );
        assert_eq!(at(9, advanced(513 << 20)), None);
        let ended = Event::TransferEnded {
            transfer: TransferId::new(0),
            bytes: 1 << 30,
            finish: Finish::Complete,
        };
        assert_eq!(
            at(16, ended).unwrap(),
            "girder:5f → fifo:in: complete, 1.00 GiB in 16.0 s, 64.00 MiB/s"
        );
        assert_eq!(at(17, advanced(1)), None);
    }

    #[test]
    fn each_step_of_a_container_is_told_once_and_not_by_the_thousand() {
        let (mut state, began) = (State::default(), Instant::now());
        let step = |current| {
            Event::Progress(JobProgress {
                total: Some(1e6),
                current: Some(current),
                message: Some("a\u{1b}[31m\nb".to_owned()),
            })
        };
        assert_eq!(state.line(&step(2.5), began).unwrap(), "progress: 2.5 of 1000000, a[31mb");
        assert_eq!(state.line(&step(2.5), began), None);
        let told = (0..1000).filter_map(|current| state.line(&step(current.into()), began));
        assert_eq!(told.count(), 99);
        assert!(state.line(&step(7.0), began + Duration::from_secs(6)).is_some());
    }

    #[test]
    fn a_terminal_gets_lines_that_fit() {
        let line =
            format!("file:/{} → fifo:in: complete, 1.00 GiB in 16.0 s", "データ📦".repeat(16));
        for columns in [60_u16, 80, 120] {
            for part in fold(&line, columns) {
                assert!(textwrap::core::display_width(&part) + 10 <= columns.into(), "{part:?}");
            }
        }
        assert_eq!(fold("the container runs", 60), ["the container runs"]);
    }

    #[test]
    fn a_pull_is_told_now_and_then() {
        let (mut state, began) = (State::default(), Instant::now());
        let line = |status: &str| {
            let status = status.to_owned();
            Event::Pull(PullProgress { status, ..PullProgress::default() })
        };
        assert_eq!(state.line(&line("Pulling"), began).unwrap(), "pull: Pulling");
        assert_eq!(state.line(&line("Waiting"), began + Duration::from_secs(1)), None);
        let later = began + Duration::from_secs(6);
        assert_eq!(state.line(&line("Extracting"), later).unwrap(), "pull: Extracting");
    }
}
