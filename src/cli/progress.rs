//! What is shown of a run while it goes on: bars, lines, or warnings only.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Progress;
use super::plain::Lines;
use super::relay::Relay;
use super::{render, words};
use crate::event::{Event, EventSink, JobProgress, Phase, PullProgress, RunId, TransferId};
use crate::run::RunSettings;

/// What one run is shown by.
#[derive(Debug)]
pub(super) struct Display {
    shown: Progress,
    bars: MultiProgress,
}

impl Display {
    /// Bars need a terminal on which a line can be drawn again; where nobody looks on, as in CI, or
    /// where none can, there are lines.
    pub(super) fn begin(progress: Progress) -> Self {
        let is = |name, value| std::env::var_os(name).is_some_and(|found| found == value);
        let is_set = |name| std::env::var_os(name).is_some_and(|found| !found.is_empty());
        let shown = match progress {
            Progress::Auto if !io::stderr().is_terminal() => Progress::None,
            Progress::Auto if is("TERM", "dumb") || is_set("CI") => Progress::Plain,
            shown => shown,
        };
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { shown, bars }
    }

    /// What the run is given: where its events go, and the streams that would be written across the bars,
    /// which are those that go to a terminal.
    pub(super) fn settings(&self, settings: RunSettings) -> RunSettings {
        match self.shown {
            Progress::Auto => {
                let settings = settings
                    .with_events(Bars::new(self.bars.clone()))
                    .with_stderr_writer(Relay::new(self.bars.clone(), io::stderr()));
                match io::stdout().is_terminal() {
                    true => {
                        settings.with_stdout_writer(Relay::new(self.bars.clone(), io::stdout()))
                    }
                    false => settings,
                }
            }
            Progress::Plain => settings.with_events(Lines::default()),
            Progress::None => settings.with_events(WarningsOnly),
        }
    }

    /// What tells the user of a signal, on a terminal and nowhere else: others have sent it
    /// themselves.
    pub(super) fn tells_of_signals(&self, grace: Duration) -> impl FnMut() + Send + 'static {
        let (bars, mut asked) = (self.bars.clone(), 0);
        let is_seen = io::stderr().is_terminal();
        move || {
            asked += 1;
            let line = match asked {
                _ if !is_seen => return,
                1 => format!("stopping, {} s; again to kill", grace.as_secs()),
                _ => "killing".to_owned(),
            };
            bars.suspend(|| render::say(&line));
        }
    }

    /// Takes the bars away. The run must be over.
    pub(super) fn end(self) {
        // The terminal is gone: nothing is left to clear.
        let _ = self.bars.clear();
    }
}

/// Says nothing but warnings.
#[derive(Debug)]
struct WarningsOnly;

impl EventSink for WarningsOnly {
    fn event(&self, _: &RunId, event: &Event) {
        if let Event::Warning(warning) = event {
            render::say(&format!("warning: {warning}"));
        }
    }
}

/// A line for what the run does, and a bar for each layer of a pull, for each transfer, and for what the
/// container says of its progress.
#[derive(Debug)]
struct Bars {
    multi: MultiProgress,
    looks: Looks,
    drawn: Mutex<Drawn>,
}

#[derive(Debug, Default)]
struct Drawn {
    phase: Option<ProgressBar>,
    layers: HashMap<String, ProgressBar>,
    transfers: HashMap<TransferId, ProgressBar>,
    /// Pipes of the container that nobody has opened yet, by their transfers.
    unopened: BTreeMap<TransferId, String>,
    progress: Option<ProgressBar>,
}

impl Bars {
    fn new(multi: MultiProgress) -> Self {
        Self { multi, looks: Looks::of_this_terminal(), drawn: Mutex::default() }
    }

    /// Says what the run does.
    fn phase(&self, drawn: &mut Drawn, phase: Phase) {
        let bar = drawn.phase.get_or_insert_with(|| {
            self.multi.insert(0, ProgressBar::no_length().with_style(style(self.looks.phase)))
        });
        let first = drawn.unopened.values().next();
        bar.set_message(words::of(phase, first.map(String::as_str)));
        bar.tick();
    }

    fn progress(&self, drawn: &mut Drawn, progress: &JobProgress) {
        let bar = drawn.progress.get_or_insert_with(|| {
            self.multi.add(ProgressBar::no_length().with_style(style(self.looks.phase)))
        });
        bar.set_message(words::of_progress(progress));
        bar.tick();
    }

    fn layer(&self, drawn: &mut Drawn, line: &PullProgress) {
        let Some(layer) = &line.layer else { return };
        let bar = drawn.layers.entry(layer.clone()).or_insert_with(|| {
            let bar = self.multi.add(ProgressBar::new(0));
            bar.set_style(style(self.looks.sized));
            bar
        });
        bar.set_message(render::harmless(&format!("{layer} {}", line.status)).into_owned());
        if let (Some(current), Some(total)) = (line.current, line.total) {
            bar.set_length(total);
            bar.set_position(current);
        }
    }

    fn transfer(&self, label: &str, total: Option<u64>) -> ProgressBar {
        let bar = match total {
            Some(total) => ProgressBar::new(total).with_style(style(self.looks.sized)),
            None => ProgressBar::no_length().with_style(style(self.looks.endless)),
        };
        self.multi.add(bar).with_message(render::harmless(label).into_owned())
    }
}

impl EventSink for Bars {
    fn event(&self, _: &RunId, event: &Event) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = &mut *drawn;
        match event {
            Event::PhaseStarted(phase) => self.phase(drawn, *phase),
            Event::Progress(progress) => self.progress(drawn, progress),
            Event::Pull(line) => self.layer(drawn, line),
            Event::ContainerCreated { .. } => {
                drawn.layers.drain().for_each(|(_, bar)| bar.finish_and_clear());
            }
            Event::TransferStarted { transfer, label, total } if is_worth_showing(label) => {
                drawn.transfers.insert(*transfer, self.transfer(label, *total));
                if let Some((_, pipe)) = label.split_once("→ fifo:") {
                    drawn.unopened.insert(*transfer, render::harmless(pipe).into_owned());
                    self.phase(drawn, Phase::Stream);
                }
            }
            Event::TransferAdvanced { transfer, bytes, total } => {
                if *bytes > 0 && drawn.unopened.remove(transfer).is_some() {
                    self.phase(drawn, Phase::Stream);
                }
                let Some(bar) = drawn.transfers.get(transfer) else { return };
                if let (Some(total), None) = (total, bar.length()) {
                    bar.set_style(style(self.looks.sized));
                    bar.set_length(*total);
                }
                bar.set_position(*bytes);
            }
            Event::TransferEnded { transfer, bytes, .. } => {
                drawn.unopened.remove(transfer);
                let Some(bar) = drawn.transfers.remove(transfer) else { return };
                bar.set_position(*bytes);
                bar.abandon();
            }
            Event::Warning(warning) => {
                self.multi.suspend(|| render::say(&format!("warning: {warning}")));
            }
            _ => {}
        }
    }
}

/// The container's own output on our own shows itself, and so does its progress.
pub(super) fn is_worth_showing(label: &str) -> bool {
    let is_shown_by_itself = label.starts_with("container:") && label.contains("→ host:");
    !is_shown_by_itself && !label.ends_with("→ progress")
}

/// How lines are drawn on a terminal of some width. What is shown of a label is what room is left.
#[derive(Debug, Clone, Copy)]
struct Looks {
    phase: &'static str,
    sized: &'static str,
    endless: &'static str,
}

impl Looks {
    fn of_this_terminal() -> Self {
        let size = rustix::termios::tcgetwinsize(io::stderr());
        // One that does not know its size says 0.
        Self::for_columns(size.map_or(0, |size| size.ws_col))
    }

    fn for_columns(columns: u16) -> Self {
        let sized = match columns {
            100.. => WIDE,
            0 | 70.. => {
                "{wide_msg} {percent:>3}% {binary_bytes:>10} of {binary_total_bytes} {binary_bytes_per_sec:>12}"
            }
            _ => "{wide_msg} {percent:>3}% {binary_bytes_per_sec:>12}",
        };
        let endless = match columns {
            0 | 70.. => "{wide_msg} {binary_bytes:>10} {binary_bytes_per_sec:>12}",
            _ => "{wide_msg} {binary_bytes:>10}",
        };
        Self { phase: "{wide_msg}", sized, endless }
    }
}

const WIDE: &str = "{wide_msg} [{bar:24}] {binary_bytes:>10} of {binary_total_bytes} \
                    {binary_bytes_per_sec:>12} {eta:>4}";

fn style(template: &str) -> ProgressStyle {
    // A template of ours that indicatif cannot read costs the look, not the run; see the test.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for columns in [0, 60, 80, 120, u16::MAX] {
            let Looks { phase, sized, endless } = Looks::for_columns(columns);
            for template in [phase, sized, endless] {
                ProgressStyle::with_template(template).unwrap();
            }
        }
    }

    #[test]
    fn the_containers_own_output_has_no_bar() {
        assert!(!is_worth_showing("container:stdout → host:stdout"));
        assert!(is_worth_showing("container:stdout → file:/out"));
        assert!(is_worth_showing("girder:5f → host:stdout"));
    }
}
