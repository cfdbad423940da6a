//! What is shown of a run while it goes on: bars, lines, or warnings only.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IsTerminal, Stderr, Stdout, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::args::Progress;
use super::aside::Aside;
use super::plain::Lines;
use super::relay::Relay;
use super::{looks, render, words};
use crate::event::{Event, EventSink, JobProgress, Phase, PullProgress, RunId, TransferId};
use crate::run::RunSettings;

/// What one run is shown by.
#[derive(Debug)]
pub(super) struct Display {
    shown: Progress,
    bars: MultiProgress,
    stdout: Relay<Stdout>,
    stderr: Relay<Stderr>,
    aside: Aside,
}

impl Display {
    /// Bars need a terminal on which a line can be drawn again; where nobody looks on, as in CI, or
    /// where none can, there are lines.
    ///
    /// # Errors
    /// There is no thread.
    pub(super) fn begin(progress: Progress) -> io::Result<Self> {
        let is = |name, value| std::env::var_os(name).is_some_and(|found| found == value);
        let is_set = |name| std::env::var_os(name).is_some_and(|found| !found.is_empty());
        let shown = match progress {
            Progress::Auto if !io::stderr().is_terminal() => Progress::None,
            Progress::Auto if is("TERM", "dumb") || is_set("CI") => Progress::Plain,
            shown => shown,
        };
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let aside = Aside::begin(match shown {
            Progress::Auto => Box::new(Bars::new(bars.clone())) as Box<dyn EventSink>,
            Progress::Plain => Box::new(Lines::default()),
            Progress::None => Box::new(WarningsOnly),
        })?;
        let stdout = Relay::new(bars.clone(), io::stdout());
        let stderr = Relay::new(bars.clone(), io::stderr());
        Ok(Self { shown, bars, stdout, stderr, aside })
    }

    /// What the run is given: where its events go, and the streams that would be written across the bars or the
    /// lines, which are those that go to a terminal.
    pub(super) fn settings(&self, settings: RunSettings) -> RunSettings {
        let settings = settings.with_events(self.aside.clone());
        match self.shown {
            Progress::Auto => {}
            Progress::Plain if io::stderr().is_terminal() => {}
            Progress::Plain | Progress::None => return settings,
        }
        let settings = settings.with_stderr_writer(self.stderr.clone());
        match io::stdout().is_terminal() {
            true => settings.with_stdout_writer(self.stdout.clone()),
            false => settings,
        }
    }

    /// What tells the user of a signal, on a terminal and nowhere else: others have sent it
    /// themselves.
    pub(super) fn tells_of_signals(&self, grace: Duration) -> impl FnMut() + Send + 'static {
        let (aside, bars, mut asked) = (self.aside.clone(), self.bars.clone(), 0);
        let is_seen = io::stderr().is_terminal();
        move || {
            asked += 1;
            let line = match asked {
                _ if !is_seen => return,
                1 => format!("stopping, {} s; again to kill", grace.as_secs()),
                _ => "killing".to_owned(),
            };
            let bars = bars.clone();
            aside.call(move || bars.suspend(|| render::say(&line)));
        }
    }

    /// Shows the rest, takes the bars away, and says these last lines behind the container's own. The run must be over.
    /// Something comes, or the other end is gone, when that is done: standard error may take nothing.
    pub(super) fn end(self, lines: Vec<String>) -> Receiver<()> {
        let Self { bars, stdout, stderr, aside, .. } = self;
        let (tell, told) = bounded(1);
        aside.end(move || {
            // The terminal is gone: nothing is left to clear.
            let _ = bars.clear();
            let is_begun = [stdout.write_last(), stderr.write_last()].contains(&true);
            if is_begun && !lines.is_empty() {
                let _ = io::stderr().write_all(b"\n");
            }
            lines.iter().for_each(|line| render::say(line));
            let _ = tell.send(());
        });
        told
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
    /// What the run does.
    doing: Option<Phase>,
}

impl Bars {
    fn new(multi: MultiProgress) -> Self {
        Self { multi, drawn: Mutex::default() }
    }

    /// Says what the run does.
    fn phase(&self, drawn: &mut Drawn, phase: Phase) {
        let bar = drawn.phase.get_or_insert_with(|| {
            self.multi.insert(0, ProgressBar::no_length().with_style(looks::line()))
        });
        let first = drawn.unopened.values().next();
        bar.set_message(words::of(phase, first.map(String::as_str)));
        bar.tick();
        drawn.doing = Some(phase);
    }

    /// Nobody is waited for any more by this transfer, but perhaps by others.
    fn opened(&self, drawn: &mut Drawn, transfer: TransferId) {
        if drawn.unopened.remove(&transfer).is_some() {
            self.says_on(drawn);
        }
    }

    /// Says what the run does still, and what for.
    fn says_on(&self, drawn: &mut Drawn) {
        if let Some(phase) = drawn.doing {
            self.phase(drawn, phase);
        }
    }

    fn progress(&self, drawn: &mut Drawn, progress: &JobProgress) {
        let bar = drawn.progress.get_or_insert_with(|| {
            self.multi.add(ProgressBar::no_length().with_style(looks::line()))
        });
        bar.set_message(words::of_progress(progress));
        bar.tick();
    }

    fn layer(&self, drawn: &mut Drawn, line: &PullProgress) {
        let Some(layer) = &line.layer else { return };
        if is_there(&line.status) {
            if let Some(bar) = drawn.layers.remove(layer) {
                bar.finish_and_clear();
                self.multi.remove(&bar);
            }
            return;
        }
        if drawn.layers.len() == MOST_LAYERS && !drawn.layers.contains_key(layer) {
            return;
        }
        let bar = drawn.layers.entry(layer.clone()).or_insert_with(|| {
            let bar = self.multi.add(ProgressBar::new(0));
            bar.set_style(looks::bar());
            bar
        });
        bar.set_message(render::harmless(&format!("{layer} {}", line.status)).into_owned());
        if let (Some(current), Some(total)) = (line.current, line.total) {
            bar.set_length(total);
            bar.set_position(current);
        }
    }

    fn transfer(&self, label: &str, total: Option<u64>) -> ProgressBar {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        self.multi.add(bar.with_style(looks::bar())).with_message(words::of_label(label))
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
                    self.says_on(drawn);
                }
            }
            Event::TransferOpened { transfer } => self.opened(drawn, *transfer),
            Event::TransferAdvanced { transfer, bytes, total } => {
                let Some(bar) = drawn.transfers.get(transfer) else { return };
                if let (Some(total), None) = (total, bar.length()) {
                    bar.set_length(*total);
                }
                bar.set_position(*bytes);
            }
            Event::TransferEnded { transfer, bytes, .. } => {
                self.opened(drawn, *transfer);
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

/// As many layers have a bar at once. An image of a registry that nobody knows may have thousands of them.
const MOST_LAYERS: usize = 12;

/// Whether the engine has the layer, by its words.
fn is_there(status: &str) -> bool {
    matches!(status, "Pull complete" | "Already exists")
}

/// The container's own output on our own shows itself, and so does its progress.
pub(super) fn is_worth_showing(label: &str) -> bool {
    let is_shown_by_itself = label.starts_with("container:") && label.contains("→ host:");
    !is_shown_by_itself && !label.ends_with("→ progress")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_thousands_of_layers_has_few_bars_and_each_layer_has_its_turn() {
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let bars = Bars::new(hidden);
        let run = RunId::random();
        let line = |at: usize, status: &str| {
            let (layer, status) = (Some(format!("{at:012x}")), status.to_owned());
            bars.event(&run, &Event::Pull(PullProgress { layer, status, ..Default::default() }));
        };
        let drawn = || bars.drawn.lock().unwrap().layers.len();
        (0..5000).for_each(|at| line(at, "Pulling fs layer"));
        assert_eq!(drawn(), MOST_LAYERS);
        (0..MOST_LAYERS).for_each(|at| line(at, "Pull complete"));
        assert_eq!(drawn(), 0);
        line(4999, "Extracting");
        assert!(bars.drawn.lock().unwrap().layers.contains_key("000000001387"));
    }

    #[test]
    fn a_pipe_waits_for_its_reader_until_one_has_come_however_much_it_holds() {
        let bars = Bars::new(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));
        let (run, transfer) = (RunId::random(), TransferId::new(0));
        let says = |event: Event| {
            bars.event(&run, &event);
            let drawn = bars.drawn.lock().unwrap();
            drawn.phase.as_ref().map(ProgressBar::message).unwrap_or_default()
        };
        let advanced = |bytes| Event::TransferAdvanced { transfer, bytes, total: None };
        says(Event::PhaseStarted(Phase::Start));
        let label = "file:/data → fifo:in".to_owned();
        let begun = says(Event::TransferStarted { transfer, label, total: None });
        assert_eq!(begun, "starting the container");
        says(advanced(1));
        assert_eq!(says(Event::PhaseStarted(Phase::Stream)), "waiting for the first reader of in");
        assert_eq!(says(advanced(2 << 20)), "waiting for the first reader of in");
        assert_eq!(says(Event::TransferOpened { transfer }), "the container runs");
    }

    #[test]
    fn the_containers_own_output_has_no_bar() {
        assert!(!is_worth_showing("container:stdout → host:stdout"));
        assert!(is_worth_showing("container:stdout → file:/out"));
        assert!(is_worth_showing("girder:5f → host:stdout"));
    }
}
