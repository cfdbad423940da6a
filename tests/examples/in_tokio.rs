//! A run in a program with tokio: the run is a future, and blocks no thread of the runtime.
//!
//! `cargo run --example in_tokio -- IMAGE`, of an image with a shell.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::error::Error;
use std::time::Duration;

use gantline::JobSpec;
use gantline::settings::Settings;
use gantline::spec::PullPolicy;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "busybox".to_owned());
    let runner = Settings::from_env()?.runner().build()?;
    let job = JobSpec::builder(image)
        .pull(PullPolicy::IfNotPresent)
        .args(["sh", "-c", "sleep 1; exit 3"])
        .build()?;
    let mut run = runner.start(&job)?;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut turns = 0;
    let outcome = loop {
        tokio::select! {
            outcome = &mut run => break outcome?,
            // What else the program does goes on meanwhile.
            _ = ticks.tick() => turns += 1,
        }
    };
    println!("exit code: {:?}", outcome.exit_code());
    println!("the runtime had other turns: {}", turns > 1);
    Ok(())
}
