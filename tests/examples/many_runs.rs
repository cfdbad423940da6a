//! Run after run on one runner: what the process holds after a hundred of them is what it holds at the end. Six are
//! under way at once: one succeeds, one fails, one is cancelled, one has an input that its program never opens, one an
//! input that its program leaves early, and the program of one is not there.
//!
//! `cargo run --example many_runs -- RUNS IMAGE`, of an image with busybox. It fails if anything has grown.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use gantline::event::RunId;
use gantline::run::{RunError, RunSettings};
use gantline::settings::Settings;
use gantline::spec::PullPolicy;
use gantline::spec::builder::{Arg, Input, Pipe};
use gantline::{Event, JobSpec, Outcome, Runner};

/// So many runs are before what the process holds is looked at: what all runs share is made when it is first needed.
const WARM_UP: u64 = 100;

/// How much more memory the allocator may keep.
const SLACK_KIB: u64 = 4 << 10;

/// The bytes of an input: more than a FIFO holds.
const INPUT: usize = (2 << 20) + 1;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Good,
    Failing,
    Cancelled,
    Unopened,
    LeftEarly,
    NotThere,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Good,
        Self::Failing,
        Self::Cancelled,
        Self::Unopened,
        Self::LeftEarly,
        Self::NotThere,
    ];

    fn job(self, image: &str, input: &str) -> Result<JobSpec, Box<dyn Error>> {
        let job = JobSpec::builder(image).pull(PullPolicy::IfNotPresent);
        let fifo = || Arg::connect(Input::host_file(input), Pipe::input("in"));
        let job = match self {
            Self::Good => job.arg("cat").arg(fifo()),
            Self::Failing => job.arg("false"),
            Self::Cancelled => job.args(["sleep", "600"]),
            Self::Unopened => job.arg("true").arg(fifo()),
            Self::LeftEarly => job.args(["head", "-c", "1"]).arg(fifo()),
            Self::NotThere => job.arg("/is/not/there"),
        };
        Ok(job.build()?)
    }

    /// Whether the run has ended as such a run does, having written so many bytes.
    fn is_it(self, ended: &Result<Outcome, RunError>, written: u64) -> bool {
        match (self, ended) {
            (Self::Good, Ok(outcome)) => outcome.exit_code() == Some(0) && written == INPUT as u64,
            (Self::Failing, Ok(outcome)) => outcome.exit_code() == Some(1),
            (Self::Cancelled, Ok(outcome)) => outcome.is_cancelled(),
            (Self::Unopened, Ok(outcome)) => outcome.exit_code() == Some(0) && written == 0,
            (Self::LeftEarly, Ok(outcome)) => outcome.exit_code() == Some(0) && written == 1,
            (Self::NotThere, Err(error)) => error.exit_code() == 127,
            _ => false,
        }
    }
}

/// What this process holds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Held {
    descriptors: usize,
    threads: usize,
    memory_kib: u64,
}

impl Held {
    fn now() -> Result<Self, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|text| text.trim().strip_suffix(" kB"));
        Ok(Self {
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
            threads: fs::read_dir("/proc/self/task")?.count(),
            memory_kib: memory.ok_or("the system does not tell the memory")?.parse()?,
        })
    }

    /// What it holds when the last threads of runs that are over have ended, too: a run that was cancelled may be cleaned
    /// up for some time yet, on a machine that is busy. What it held `before` is awaited, within a bound.
    fn settled(before: Option<Self>) -> Result<Self, Box<dyn Error>> {
        let mut last = Self::now()?;
        for _ in 0..600 {
            thread::park_timeout(Duration::from_millis(50));
            let now = Self::now()?;
            let is_at_rest = (now.descriptors, now.threads) == (last.descriptors, last.threads);
            if is_at_rest && before.is_none_or(|before| !now.has_grown_since(before)) {
                return Ok(now);
            }
            last = now;
        }
        Ok(last)
    }

    fn has_grown_since(self, before: Self) -> bool {
        self.descriptors > before.descriptors
            || self.threads > before.threads
            || self.memory_kib > before.memory_kib + SLACK_KIB
    }
}

/// What this process has open, and its threads, by their names.
fn named() -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        // The folder's own descriptor is gone by then.
        let open = fs::read_link(entry?.path()).unwrap_or_default();
        names.push(open.display().to_string());
    }
    for entry in fs::read_dir("/proc/self/task")? {
        let name = fs::read_to_string(entry?.path().join("comm")).unwrap_or_default();
        names.push(format!("thread {}", name.trim()));
    }
    names.sort_unstable();
    Ok(names)
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, threads, memory_kib } = self;
        write!(f, "{descriptors} descriptors, {threads} threads, {memory_kib} KiB")
    }
}

/// Counts what a container writes.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One run of each kind, all at once.
fn one_of_each(runner: &Runner, jobs: &[(Kind, JobSpec)]) -> Result<(), Box<dyn Error>> {
    let mut runs = Vec::new();
    for (kind, job) in jobs {
        let written = Counted::default();
        let (sender, started) = std::sync::mpsc::channel();
        let tell = move |_: &RunId, event: &Event| {
            if let Event::ContainerStarted { .. } = event {
                // Nobody listens to most of them.
                let _ = sender.send(());
            }
        };
        let settings = RunSettings::new()
            .with_events(tell)
            .with_stdout_writer(written.clone())
            .with_stderr_writer(io::sink())
            .with_stop_timeout(Duration::from_millis(100));
        runs.push((*kind, runner.start_with(job, settings)?, written, started));
    }
    for (kind, run, written, started) in runs {
        if kind == Kind::Cancelled {
            // It is over if the container never starts.
            if started.recv().is_ok() {
                run.cancel();
            }
        }
        let ended = run.wait();
        let written = written.0.load(Ordering::Relaxed);
        if !kind.is_it(&ended, written) {
            return Err(format!("{kind:?} wrote {written} bytes: {ended:?}").into());
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(count), Some(image)) = (arguments.next(), arguments.next()) else {
        return Err("give a number of runs and an image".into());
    };
    let count: u64 = count.parse()?;
    let input = tempfile::NamedTempFile::new()?;
    input.as_file().set_len(INPUT as u64)?;
    let path = input.path().to_str().ok_or("the temporary folder's name is no text")?;
    let jobs: Vec<_> = Kind::ALL
        .into_iter()
        .map(|kind| Ok((kind, kind.job(&image, path)?)))
        .collect::<Result<_, Box<dyn Error>>>()?;
    let runner = Settings::from_env()?.runner().build()?;

    let (mut runs, mut warm, mut told) = (0, None, WARM_UP);
    while runs < count {
        one_of_each(&runner, &jobs)?;
        runs += jobs.len() as u64;
        if runs >= told || runs >= count {
            let held = Held::settled(warm)?;
            println!("after {runs} runs: {held}");
            if let Some(warm) = warm
                && held.has_grown_since(warm)
            {
                return Err(format!("it was {warm}; now there are {}", named()?.join(", ")).into());
            }
            warm.get_or_insert(held);
            told = runs * 2;
        }
    }
    Ok(())
}
