//! `gantline bench`, and the parts that its children play.

use std::ffi::OsString;
use std::io::{self, BufReader};
use std::path::PathBuf;

use super::args::BenchArgs;
use super::report::{ReportError, ReportFile};
use super::signals::Signals;
use super::{Failure, exit, render};
use crate::bench::{self, BenchError, Canceller, Case, Measurement, Options, Role, Step};
use crate::settings::Environment;

/// Measures, printing each case when it is done, and writes what was asked for.
pub(super) fn bench(args: BenchArgs, environment: &Environment) -> Result<u8, Failure> {
    let failed = |error: BenchError| match error.is_bad_usage() {
        true => Failure::bad_usage(&error),
        false => Failure::failed(&error),
    };
    // Opened before: what cannot be written must not be noticed only at the end.
    let open = |path: &Option<PathBuf>| path.as_deref().map(ReportFile::open).transpose();
    let bad = |error: ReportError| Failure::bad_usage(&error);
    let (json, picture) = (open(&args.json).map_err(bad)?, open(&args.plot).map_err(bad)?);
    let signals = Signals::take().map_err(|error| Failure::failed(&error))?;
    let canceller = Canceller::default();
    let cancels = canceller.clone();
    let taken = signals.each(move |_| cancels.cancel()).map_err(|error| Failure::failed(&error))?;
    let options = options(&args, environment)?;
    let mut printed = Ok(exit::DONE);
    let measured = bench::measure(&options, &canceller, &mut |step| {
        if printed.is_ok() {
            printed = render::print(&match step {
                Step::Begun => Measurement::table_head(&options),
                Step::Measured(measured) => measured.table_line(),
            });
        }
    });
    let measured = match (measured, taken.first()) {
        (Err(BenchError::Cancelled), Some(signal)) => return Ok(exit::of_signal(Some(signal))),
        (measured, _) => measured.map_err(failed)?,
    };
    printed?;
    let unwritten = |error: ReportError| Failure::failed(&error);
    if let Some(file) = json {
        file.write_text(&format!("{:#}\n", measured.to_json())).map_err(unwritten)?;
    }
    if let Some(file) = picture {
        file.write_text(&bench::plot(&measured).map_err(failed)?).map_err(unwritten)?;
    }
    Ok(exit::DONE)
}

fn options(args: &BenchArgs, environment: &Environment) -> Result<Options, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure {
        message: format!("cannot find this program, to start its other parts: {error}"),
        code: exit::FAILED,
    })?;
    let can_be = |case: &Case| {
        let fits_image = match args.image {
            Some(_) => case.has_container(),
            None => !case.needs_container(),
        };
        fits_image && (args.parallel == 1 || !case.is_of_files())
    };
    let all = || Case::ALL.into_iter().filter(can_be).collect();
    let cases = if args.cases.is_empty() { all() } else { args.cases.clone() };
    let folder = args.folder.clone().unwrap_or_else(|| environment.temporary_folder());
    // The children have other working directories in mind than a relative path does.
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    Ok(Options {
        program,
        peer: vec!["bench-peer".to_owned()],
        cases,
        size: args.size,
        parallel: args.parallel,
        files: args.files,
        runs: args.runs,
        folder,
        record_folder: environment.record_folder(),
        image: args.image.clone(),
        system_calls: args.syscalls,
        against: args.against.clone().map(|path| std::path::absolute(&path).unwrap_or(path)),
    })
}

/// Plays a part in a measurement.
pub(super) fn peer(role: &[OsString]) -> Result<u8, Failure> {
    let Some(role) = Role::parse(role) else {
        let message = "there is no such part in a measurement".to_owned();
        return Err(Failure { message, code: exit::BAD_JOB });
    };
    let program = std::env::current_exe().unwrap_or_default();
    let input = Box::new(BufReader::new(io::stdin()));
    // What went wrong has been told on stdout, to who listens there.
    let played = role.play(&program, input, &mut io::stdout().lock());
    Ok(if played.is_ok() { exit::DONE } else { exit::FAILED })
}
