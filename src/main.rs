//! The command; see [`gantline::internal::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    gantline::internal::cli::run()
}
