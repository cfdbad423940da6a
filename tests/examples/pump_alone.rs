//! The pump without a container: a URL into a file, and a pipe into another, at once.
//!
//! `cargo run --example pump_alone -- URL TO COPY` writes what the URL has into TO, and what comes from
//! standard input into COPY.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use gantline::transfers::{Pump, PumpOptions, Sink, Source};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(to), Some(copy)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("give a URL and two files to write".into());
    };
    let pump = Pump::start(PumpOptions::default())?;
    let fetched = pump.begin(Source::url(&url)?, Sink::file(File::create(to)?))?;
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let copied = pump.begin(Source::descriptor(input), Sink::file(File::create(copy)?))?;
    for (name, transfer) in [("url", fetched), ("input", copied)] {
        let moved = transfer.wait()?;
        println!("{name}: {} bytes, {}", moved.bytes, moved.finish.as_str());
    }
    Ok(())
}
