//! The command line as it is typed.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{
    ArgPredicate, NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser,
};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, value_parser};

use super::address::listening;
use super::examples::*;
use super::image::{self, ImageArgs};
use super::seconds::at_least;
#[cfg(feature = "worker")]
use super::worker_args::WorkerArgs;
use crate::bench::Case;
use crate::settings::parse_size;

/// Runs containers on data held in Girder, moving the bytes at line rate.
#[derive(Debug, Parser)]
#[command(name = "gantline", version, propagate_version = true, disable_help_subcommand = true,
          after_help = ENVIRONMENT)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a job.
    ///
    /// The container's stdout and stderr are the command's own, and so is its exit code. Otherwise:
    /// 125 if gantline or the engine failed, 126 if the container's command cannot be run, 127 if
    /// it is not there, 2 for a bad job or bad usage, 130 after SIGINT, 143 after SIGTERM, 141
    /// when nobody reads standard output any more. A first signal stops the container, a second one
    /// kills it.
    #[command(after_help = RUN_EXAMPLES, override_usage = RUN_USAGE)]
    Run(Box<RunArgs>),
    /// Say what a job would mount, pass and move; no engine is needed.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show a chapter of the manual, or the options of a command.
    #[command(after_help = topics())]
    Help {
        /// The topic, or the command
        topic: Option<String>,
    },
    /// Write a first job to change, and its schema beside it, for editors.
    ///
    /// Nothing that is there is written over.
    #[command(after_help = INIT_EXAMPLES)]
    Init {
        /// The job document
        #[arg(default_value = "job.json")]
        file: PathBuf,
    },
    /// Print the JSON Schema of the job document.
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Serve a folder over the part of Girder's REST API that jobs use.
    #[command(after_help = DEPOT_EXAMPLES)]
    Depot(DepotArgs),
    /// Put a file or a folder into Girder, as a result hook does.
    ///
    /// When a result could not be uploaded, `gantline run` leaves it where it is, and says with which of
    /// these commands it comes to its place.
    #[command(after_help = UPLOAD_EXAMPLES)]
    Upload(UploadArgs),
    /// Take Girder Worker's messages from RabbitMQ or Redis, and run their jobs.
    ///
    /// It takes the place of `girder-worker`, or works beside it: the messages that `docker_run.delay(…)` sends, from
    /// Girder or from Python, run here as they are. SIGTERM ends it when what runs has ended; a second one stops what
    /// runs. It ends with 1 when the broker cannot be used, and with 2 for bad usage.
    #[cfg(feature = "worker")]
    #[command(after_help = WORKER_EXAMPLES)]
    Worker(Box<WorkerArgs>),
    /// Remove what killed runs left: containers, temporary directories, FIFOs, unfinished files.
    ///
    /// A run writes down what it makes before it makes it; what is removed is what stands there, and
    /// nothing else. What could not be removed is said with the command that would, and tried again
    /// the next time. Works without an engine.
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune(PruneArgs),
    /// Measure what this machine can move: rates, CPU time, memory.
    ///
    /// Everything that it needs it brings: a store, servers, readers and writers, each a process of
    /// its own. What is measured is the process between them, by itself, without a container; or,
    /// with --image, `gantline run` with one. Files go up by `gantline upload`. Rates and times are
    /// medians of the runs; a rate counts from the beginning to the last byte that the reader or the
    /// file has. The files of a measurement are removed at its end.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
    /// Print the version, and what is in it.
    #[command(after_help = VERSION_EXAMPLES)]
    Version {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what completes gantline's words in a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages, for man.
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// The folder; it is made if it is not there
        dir: PathBuf,
    },
    /// Play a part in a measurement; `bench` starts these itself.
    #[command(hide = true, after_help = BENCH_PEER_EXAMPLES)]
    BenchPeer {
        /// The part, and what belongs to it.
        role: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The job document; `-` is standard input. With --image: the arguments of its command
    #[arg(value_name = "JOB | ARG", required_unless_present_any = ["image", "message"])]
    pub(super) words: Vec<OsString>,
    /// A message of Girder Worker's in place of a job document; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["words", "image"])]
    pub(super) message: Option<PathBuf>,
    #[command(flatten)]
    pub(super) image: ImageArgs,
    /// Write what happened to this file, as JSON, also when the run fails; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Say at the end what came of the run, in three lines on stderr
    #[arg(long)]
    pub(super) summary: bool,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub(super) progress: Progress,
    /// How long a container may take to stop after a signal, before it is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = at_least::<0>)]
    pub(super) stop_timeout: u32,
    /// How long the run may take in all; then it is stopped as by a signal, and fails
    #[arg(long, value_name = "SECONDS", value_parser = at_least::<1>)]
    pub(super) timeout: Option<u32>,
    /// How long a source may give nothing before it is asked again
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = at_least::<1>)]
    pub(super) stall_timeout: u32,
    /// How long a server may take from the connection to the head of its answer, before it is asked again
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = at_least::<1>)]
    pub(super) answer_timeout: u32,
    /// How long a server may take to be found, and each of its addresses to take a connection
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = at_least::<1>)]
    pub(super) connect_timeout: u32,
    /// How long an engine that goes away while the container runs is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = at_least::<0>)]
    pub(super) engine_patience: u32,
    /// How long Girder is asked again while it cannot be reached or cannot answer, in all pauses together
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = at_least::<0>)]
    pub(super) girder_patience: u32,
    /// How long the engine may say nothing of a pull
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = at_least::<1>)]
    pub(super) pull_stall_timeout: u32,
    /// What becomes of the container when nobody reads our standard output any more
    #[arg(long, value_enum, default_value_t = OnClosedStdout::Stop)]
    pub(super) on_closed_stdout: OnClosedStdout,
    /// Which files of Girder's are held against the SHA-512 in their record, in place of the job's `verify`
    #[arg(long, value_name = "WHICH",
          value_parser = ["always", "unless-spliced", "large-only-by-length", "never"])]
    pub(super) verify: Option<String>,
    /// Have the container write its standard output into a FIFO, past the engine, as `fast_stdout` of a job does
    #[arg(long)]
    pub(super) fast_stdout: bool,
    /// When temporary volumes stay on this host, to be removed by hand
    #[arg(long, value_enum, default_value_t = KeepVolumes::OnFailure)]
    pub(super) keep: KeepVolumes,
    /// Connections that one transfer may use where a single one is too slow for its round trip; 1:
    /// never more than one
    #[arg(long, value_name = "N", default_value_t = 8,
          value_parser = value_parser!(u8).range(1..=64))]
    pub(super) connections: u8,
}

/// What becomes of the container when nobody reads our standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnClosedStdout {
    /// It is stopped, and the exit code is 141, as of any command in a pipe
    Stop,
    /// It goes on: its results go elsewhere
    Continue,
}

/// When temporary volumes stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum KeepVolumes {
    /// What is in them goes, whether it is in Girder or not
    Never,
    /// If a result in them could not be put into Girder; the last line says the path, and the command
    /// that uploads it
    OnFailure,
    /// Whatever happens
    Always,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// Bars if stderr is a terminal, nothing otherwise
    Auto,
    /// A line at the beginning and end of each transfer, and every few seconds between
    Plain,
    /// Nothing
    None,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
}

impl Cli {
    /// Reads this process's command line.
    ///
    /// # Errors
    /// What clap says of it; also help and the version, which go to standard output.
    pub(super) fn read() -> Result<Self, clap::Error> {
        let words: Vec<_> = std::env::args_os().collect();
        let plain = Self::command();
        let mut command = plain.clone();
        if image::is_asked_for(&words) {
            command = image::with_program(command);
        }
        let matches = command.clone().try_get_matches_from(&words)?;
        let cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        if let Command::Run(args) = &cli.command
            && let Some(ours) = args.image.with_no_option(&words, &args.words)
        {
            // It says what is like it.
            plain.try_get_matches_from(ours)?;
        }
        Ok(cli)
    }
}

/// Which Girder, and whom to trust.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// The REST API of the Girder server, in place of the job's `girder_api_url` and GIRDER_API_URL
    #[arg(long, value_name = "URL")]
    pub(super) girder_url: Option<String>,
    /// The token for it, in place of the job's `girder_client_token`; GIRDER_TOKEN is not seen by
    /// other users of this machine
    #[arg(long, value_name = "TOKEN")]
    pub(super) girder_token: Option<String>,
    /// Also trust the certificate authorities in this PEM file; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Vec<PathBuf>,
}

/// Which job.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct JobArgs {
    /// The job document; `-` is standard input
    pub(super) job: Option<PathBuf>,
    /// A message of Girder Worker's in place of a job document: its headers and its decoded body, an envelope of
    /// Redis or RabbitMQ, a signature of Celery's, or a body alone; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) message: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct UploadArgs {
    /// The file, or the folder
    pub(super) path: PathBuf,
    #[command(flatten)]
    pub(super) destination: Destination,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// What kind of files they are, in place of what their names say
    #[arg(long, value_name = "TYPE")]
    pub(super) mime_type: Option<String>,
    /// Handed to Girder's event handlers as it is
    #[arg(long, value_name = "TEXT")]
    pub(super) reference: Option<String>,
    /// What the artifact is called, in place of the file's name
    #[arg(long, requires = "job")]
    pub(super) name: Option<String>,
}

/// Where to.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Destination {
    /// Into this item: the file, or the files directly in the folder; those of the same name are
    /// replaced
    #[arg(long, value_name = "ID")]
    pub(super) item: Option<String>,
    /// Into this folder: the file as a new item, or the folder's contents with all that is below
    #[arg(long, value_name = "ID")]
    pub(super) folder: Option<String>,
    /// As an artifact of this job
    #[arg(long, value_name = "ID")]
    pub(super) job: Option<String>,
    /// The file's JSON object, as metadata of this item
    #[arg(long, value_name = "ID")]
    pub(super) metadata_of: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DepotArgs {
    /// The folder to serve
    pub(super) dir: PathBuf,
    /// Where to listen; only this machine is served unless told otherwise
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = listening)]
    pub(super) listen: SocketAddr,
    /// Serve only those who show this token
    #[arg(long, value_name = "TOKEN")]
    pub(super) token: Option<String>,
    /// End with standard input: so does `bench`, however it ends
    #[arg(long, hide = true)]
    pub(super) while_heard: bool,
}

#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Only say what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
    /// What everybody's runs left, and not only this user's: root may remove it
    #[arg(long)]
    pub(super) all: bool,
    /// Forget the containers of the engine with this address, such as tcp://10.0.0.7:2375, if it cannot be reached: it is
    /// gone for good
    #[arg(long, value_name = "ENGINE", value_parser = NonEmptyStringValueParser::new())]
    pub(super) forget: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Measure this case only; may be given more than once
    #[arg(long = "case", value_name = "CASE", value_parser = case_parser())]
    pub(super) cases: Vec<Case>,
    /// Bytes of each transfer, such as 64MiB, 4GiB or 1000000; twice as much is needed in the folder
    #[arg(long, default_value = "1GiB", value_parser = parse_size)]
    pub(super) size: u64,
    /// How many transfers at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) parallel: usize,
    /// How many files of 2 KiB there are in the cases of many
    #[arg(long, value_name = "N", default_value_t = 4000)]
    pub(super) files: usize,
    /// How often each case is measured; with --against 10 unless said otherwise
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        default_value_if("against", ArgPredicate::IsPresent, "10")
    )]
    pub(super) runs: usize,
    /// Compare with another build of gantline: both move the same, in turns A B B A
    #[arg(long, value_name = "BINARY")]
    pub(super) against: Option<PathBuf>,
    /// Where files are read and written, in place of TMPDIR
    #[arg(long, value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// Go through a container of this image, by `gantline run`; it must have sh, cat and head. The
    /// container's start is in the rate
    #[arg(long, value_name = "NAME")]
    pub(super) image: Option<String>,
    /// Also count system calls, in a run of its own under strace; those of the process's start and
    /// end are among them
    #[arg(long)]
    pub(super) syscalls: bool,
    /// Write the data to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write a picture to this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,
}

fn case_parser() -> impl TypedValueParser<Value = Case> {
    PossibleValuesParser::new(Case::ALL.map(Case::as_str))
        .try_map(|name| Case::named(&name).ok_or("there is no such case"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("gantline"), "{}", command.get_name());
            // A terminal and a page for man show it as it stands.
            let long = help.lines().find(|line| line.chars().count() > 78);
            assert_eq!(long, None, "{}", command.get_name());
        }
    }
}
