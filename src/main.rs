//! The command; see [`gantline::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    gantline::cli::run()
}
