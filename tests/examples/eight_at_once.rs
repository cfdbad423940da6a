//! Eight runs at once on one runner, which share its threads and buffers: each has its own id, events and
//! standard output, and one thread watches them all.
//!
//! `cargo run --example eight_at_once -- IMAGE`, of an image with a shell.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};

use gantline::JobSpec;
use gantline::run::RunSettings;
use gantline::settings::Settings;
use gantline::spec::PullPolicy;

/// What one run writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "busybox".to_owned());
    let runner = Settings::from_env()?.runner().build()?;
    let (sender, ended) = channel();
    let mut runs = HashMap::new();
    for number in 1..=8 {
        let line = format!("echo number {number}");
        let job = JobSpec::builder(image.clone())
            .pull(PullPolicy::IfNotPresent)
            .args(["sh", "-c", &line])
            .build()?;
        let written = Written::default();
        let settings = RunSettings::new().with_stdout_writer(written.clone());
        let (run, sender) = (runner.start_with(&job, settings)?, sender.clone());
        // Nobody listens any more if this program has failed.
        run.on_end(move |id| drop(sender.send(id.clone())));
        runs.insert(run.id().clone(), (run, written));
    }
    while !runs.is_empty() {
        let id = ended.recv()?;
        let Some((mut run, written)) = runs.remove(&id) else { continue };
        if let Some(end) = run.try_wait() {
            println!("{} exited with {:?}", written.text().trim(), end?.exit_code());
        }
    }
    Ok(())
}
