//! A program with a job of its own: it hears what the run tells, and stops it when it has seen enough. With a URL, the
//! container reads what is there, to its end.
//!
//! `cargo run --example embed -- IMAGE [URL]`, of an image with a shell.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::error::Error;
use std::time::Duration;

use gantline::event::RunId;
use gantline::run::RunSettings;
use gantline::settings::Settings;
use gantline::spec::PullPolicy;
use gantline::spec::builder::{Arg, Input, Pipe};
use gantline::{Event, JobSpec};

fn main() -> Result<(), Box<dyn Error>> {
    // Should we be killed, the container takes no part of a file for the whole.
    gantline::guard();
    let mut arguments = std::env::args().skip(1);
    let image = arguments.next().unwrap_or_else(|| "busybox".to_owned());
    let url = arguments.next();
    let job = JobSpec::builder(image).pull(PullPolicy::IfNotPresent).args(["sh", "-c"]);
    let job = match &url {
        None => job.arg("trap 'exit 0' TERM; echo working; sleep 600 & wait"),
        Some(url) => job
            .args([
                r#"{ head -c 1 >/dev/null; hostname; cat >/dev/null; echo whole; } <"$1""#,
                "sh",
            ])
            .arg(Arg::connect(Input::url(url), Pipe::input("in"))),
    };
    let job = job.build()?;
    let runner = Settings::from_env()?.runner().build()?;

    let (sender, started) = std::sync::mpsc::channel();
    let tell = move |run: &RunId, event: &Event| match event {
        Event::PhaseStarted(phase) => println!("{run}: {}", phase.as_str()),
        Event::ContainerStarted { .. } => drop(sender.send(())),
        Event::Warning(warning) => println!("{run}: warning: {warning}"),
        _ => {}
    };
    let settings = RunSettings::new().with_events(tell).with_stop_timeout(Duration::from_secs(2));
    let run = runner.start_with(&job, settings)?;
    // It is over if the container never starts; `wait` says why.
    if started.recv().is_ok() && url.is_none() {
        run.cancel();
    }
    let outcome = run.wait()?;
    println!("cancelled: {}", outcome.is_cancelled());
    Ok(())
}
