//! A job without a Girder server: a file of the host goes into a container, and what the container makes
//! of it into another.
//!
//! `cargo run --example without_girder -- IMAGE FROM TO`, of an image with `tr`.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::error::Error;
use std::path::absolute;

use gantline::JobSpec;
use gantline::settings::Settings;
use gantline::spec::PullPolicy;
use gantline::spec::builder::{Arg, Input, Output, Pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(image), Some(from), Some(to)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("give an image, a file to read and one to write".into());
    };
    let (from, to) = (absolute(from)?, absolute(to)?);
    let read = Arg::connect(Input::host_file(from.display().to_string()), Pipe::input("in"));
    let write = Arg::connect(Pipe::output("out"), Output::host_file(to.display().to_string()));
    // Each becomes the path of its FIFO in the container.
    let job = JobSpec::builder(image)
        .pull(PullPolicy::IfNotPresent)
        .args(["sh", "-c", "tr a-z A-Z < \"$1\" > \"$2\"", "sh"])
        .arg(read)
        .arg(write)
        .build()?;
    let outcome = Settings::from_env()?.runner().build()?.run(&job)?;
    println!("exit code: {:?}", outcome.exit_code());
    for transfer in &outcome.report.transfers {
        println!("{} bytes from {}", transfer.bytes, transfer.source);
    }
    Ok(())
}
