//! What is shown of a run while it goes on: bars, lines, or warnings only.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Progress;
use super::plain::Lines;
use super::relay::Relay;
use super::render;
use crate::event::{Event, EventSink, PullProgress, RunId, TransferId};
use crate::run::RunSettings;

/// What one run is shown by.
#[derive(Debug)]
pub(super) struct Display {
    shown: Progress,
    bars: MultiProgress,
}

impl Display {
    /// Bars need a terminal.
    pub(super) fn begin(progress: Progress) -> Self {
        let shown = match progress {
            Progress::Auto if !io::stderr().is_terminal() => Progress::None,
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

/// A bar for each layer of a pull, and for each transfer.
#[derive(Debug)]
struct Bars {
    multi: MultiProgress,
    drawn: Mutex<Drawn>,
}

#[derive(Debug, Default)]
struct Drawn {
    layers: HashMap<String, ProgressBar>,
    transfers: HashMap<TransferId, ProgressBar>,
}

impl Bars {
    fn new(multi: MultiProgress) -> Self {
        Self { multi, drawn: Mutex::default() }
    }

    fn layer(&self, drawn: &mut Drawn, line: &PullProgress) {
        let Some(layer) = &line.layer else { return };
        let bar = drawn.layers.entry(layer.clone()).or_insert_with(|| {
            let bar = self.multi.add(ProgressBar::new(0));
            bar.set_style(style(LAYER));
            bar.set_prefix(render::harmless(layer).into_owned());
            bar
        });
        bar.set_message(render::harmless(&line.status).into_owned());
        if let (Some(current), Some(total)) = (line.current, line.total) {
            bar.set_length(total);
            bar.set_position(current);
        }
    }

    fn transfer(&self, label: &str, total: Option<u64>) -> ProgressBar {
        let bar = match total {
            Some(total) => ProgressBar::new(total).with_style(style(SIZED)),
            None => ProgressBar::no_length().with_style(style(UNSIZED)),
        };
        self.multi.add(bar).with_prefix(render::harmless(label).into_owned())
    }
}

impl EventSink for Bars {
    fn event(&self, _: &RunId, event: &Event) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Pull(line) => self.layer(&mut drawn, line),
            Event::ContainerCreated { .. } => {
                drawn.layers.drain().for_each(|(_, bar)| bar.finish_and_clear());
            }
            Event::TransferStarted { transfer, label, total } if is_worth_showing(label) => {
                drawn.transfers.insert(*transfer, self.transfer(label, *total));
            }
            Event::TransferAdvanced { transfer, bytes, total } => {
                let Some(bar) = drawn.transfers.get(transfer) else { return };
                if let (Some(total), None) = (total, bar.length()) {
                    bar.set_style(style(SIZED));
                    bar.set_length(*total);
                }
                bar.set_position(*bytes);
            }
            Event::TransferEnded { transfer, bytes, .. } => {
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

/// The container's own output on our own shows itself.
pub(super) fn is_worth_showing(label: &str) -> bool {
    !(label.starts_with("container:") && label.contains("→ host:"))
}

const LAYER: &str = "{prefix:>12} {msg:<18} [{bar:24}] {binary_bytes}/{binary_total_bytes}";
const SIZED: &str = "{prefix} [{bar:24}] {binary_bytes}/{binary_total_bytes} \
                     {binary_bytes_per_sec} {eta}";
const UNSIZED: &str = "{prefix} {binary_bytes} {binary_bytes_per_sec}";

fn style(template: &str) -> ProgressStyle {
    // A template of ours that indicatif cannot read costs the look, not the run; see the test.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [LAYER, SIZED, UNSIZED] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn the_containers_own_output_has_no_bar() {
        assert!(!is_worth_showing("container:stdout → host:stdout"));
        assert!(is_worth_showing("container:stdout → file:/out"));
        assert!(is_worth_showing("girder:5f → host:stdout"));
    }
}
