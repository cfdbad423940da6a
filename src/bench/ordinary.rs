//! The moving process, by the command as it is used: `gantline run` with a container, or `gantline upload`. This process
//! waits for it and says what the kernel counted for it.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

use super::case::{Destination, Origin, SMALL_FILE};
use super::error::PeerError;
use super::message::{Container, Message, Moved, Order, hear, now, say};
use super::mover::seconds;

/// Takes an order, has the command carry it out, and says what that has taken.
pub(super) fn serve(
    program: &Path,
    mut input: Box<dyn BufRead + Send>,
    out: &mut dyn Write,
) -> Result<(), PeerError> {
    let order: Order = hear(&mut input)?;
    // A signal is for all processes of this group. The run cleans up and ends; then this one does.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .map_err(|error| PeerError::System("take signals", error))?;
    }
    say(out, &Message::Ready)?;
    hear::<()>(&mut input)?;

    let began = now()?;
    let brought = match &order.container {
        Some(container) => run(program, &order, container)?,
        None => upload(program, &order)?,
    };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(|errno| PeerError::System("ask for the CPU time", errno.into()))?;
    let moved = Moved {
        began,
        seconds: brought.seconds,
        bytes: brought.bytes,
        carrier: brought.carriers.join(", "),
        user_seconds: seconds(usage.user_time()),
        system_seconds: seconds(usage.system_time()),
        peak_memory: usage.max_rss().unsigned_abs() * 1024,
        voluntary_switches: usage.voluntary_context_switches().unsigned_abs(),
        threads: None,
    };
    say(out, &Message::Moved(moved))
}

/// Runs a job with a container.
fn run(program: &Path, order: &Order, container: &Container) -> Result<Brought, PeerError> {
    let report = order.folder.join("report.json");
    let mut command = Command::new(program);
    command.args(["run", "-", "--progress", "none", "--report"]).arg(&report);
    if let Some(ca_file) = &order.ca_file {
        command.arg("--ca-file").arg(ca_file);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    ended("run", &mut command, &job(order, container).to_string())?;
    let report = std::fs::read(&report).map_err(|error| PeerError::Open(report, error))?;
    let report: Value =
        serde_json::from_slice(&report).map_err(|_| PeerError::Report("it is not JSON"))?;
    match order.case.to() {
        Destination::Volume => Brought::by_downloads(&report, order),
        _ => Brought::by_transfers(&report, order.parallel),
    }
}

/// Uploads to a store that refuses a file of another size.
fn upload(program: &Path, order: &Order) -> Result<Brought, PeerError> {
    let url = order.url.as_deref().ok_or(PeerError::Url)?;
    let mut command = Command::new(program);
    command.args(["upload", "--girder-url", url, "--girder-token", "bench", "--folder", "results"]);
    command.arg(order.uploaded()).stdin(Stdio::null()).stdout(Stdio::piped());
    let began = now()?;
    let Output { stdout, .. } = ended("upload", &mut command, "")?;
    let seconds = now()? - began;
    // A line for each.
    let files = u64::try_from(stdout.lines().count()).unwrap_or(u64::MAX);
    let size = if order.case.has_many() { SMALL_FILE } else { order.size };
    Ok(Brought { seconds, bytes: files * size, carriers: vec!["upload".to_owned()] })
}

/// The end of a command, which has to be a good one.
fn ended(name: &'static str, command: &mut Command, input: &str) -> Result<Output, PeerError> {
    let failed = |error| PeerError::System("start the command", error);
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(PeerError::Run { command: name, code: output.status.to_string(), message });
    }
    Ok(output)
}

/// The job document of an order.
fn job(order: &Order, container: &Container) -> Value {
    let id = container.in_girder.as_ref().map(|(_, id)| id);
    let source = match order.case.from() {
        Origin::Depot => {
            json!({"type": "GirderFileIdToStream", "id": id})
        }
        Origin::Tls | Origin::Chunked => json!({"type": "UrlToStream", "url": order.url}),
        Origin::File => json!({"type": "HostFileToStream", "path": order.source_file()}),
        Origin::Fifo | Origin::Stdout | Origin::Store => Value::Null,
    };
    let connect = |number: usize| {
        let fifo = format!("fifo-{number}");
        let target = match order.case.to() {
            Destination::Post => json!({"type": "ChunkedTransferEncodingStream", "url": order.url}),
            _ => json!({"type": "HostFile", "path": order.target(number)}),
        };
        let (input, output) = match (order.case.from(), order.case.to()) {
            (Origin::Fifo, _) => (json!({"type": "NamedOutputPipe", "name": fifo}), target),
            (_, Destination::File | Destination::Post) => {
                (json!({"type": "ContainerStdOut"}), target)
            }
            _ => (source.clone(), json!({"type": "NamedInputPipe", "name": fifo})),
        };
        json!({"type": "Connect", "input": input, "output": output})
    };
    let connects = || (0..order.parallel).map(connect).collect::<Vec<_>>();
    let write = format!("head -c {} /dev/zero", order.size);
    let (script, arguments, connectors) = match (order.case.from(), order.case.to()) {
        (_, Destination::Volume) => (":".to_owned(), vec![download(order, id)], Vec::new()),
        (Origin::Stdout, _) => (write, Vec::new(), connects()),
        (Origin::Fifo, _) => (for_each(&format!("{write} > \"$fifo\"")), connects(), Vec::new()),
        _ => (for_each("cat \"$fifo\" > /dev/null"), connects(), Vec::new()),
    };
    let fixed = ["-c", &script, "sh"].into_iter().map(Value::from);
    json!({
        "image": container.image,
        "pull_image": "if-not-present",
        "girder_api_url": container.in_girder.as_ref().map(|(url, _)| url),
        "entrypoint": "sh",
        "container_args": fixed.chain(arguments).collect::<Vec<_>>(),
        "stream_connectors": connectors,
    })
}

/// Into a volume that is made in the folder of the measurement.
fn download(order: &Order, id: Option<&String>) -> Value {
    let kind = match order.case.has_many() {
        true => "GirderFolderIdToVolume",
        false => "GirderFileIdToVolume",
    };
    let volume = json!({"type": "TemporaryVolume", "host_dir": order.folder});
    json!({"type": kind, "id": id, "volume": volume})
}

/// All at once, and done when all are.
fn for_each(command: &str) -> String {
    format!("for fifo in \"$@\"; do {command} & done; wait")
}

/// What has come, and in which time.
#[derive(Default)]
struct Brought {
    seconds: f64,
    bytes: u64,
    carriers: Vec<String>,
}

impl Brought {
    /// What a report says of the transfers that were measured.
    fn by_transfers(report: &Value, parallel: usize) -> Result<Self, PeerError> {
        let wrong = || PeerError::Report("its transfers are not what was asked for");
        let all = report.get("transfers").and_then(Value::as_array).ok_or_else(wrong)?;
        // The others are the container's stdout and stderr, which become the command's own.
        let ours: Vec<_> =
            all.iter().filter(|transfer| !text(transfer, "sink").starts_with("host:")).collect();
        if ours.len() != parallel {
            return Err(wrong());
        }
        let mut sum = Self::default();
        for transfer in ours {
            let seconds = transfer.get("seconds").and_then(Value::as_f64).ok_or_else(wrong)?;
            sum.seconds = sum.seconds.max(seconds);
            sum.add(transfer).ok_or_else(wrong)?;
        }
        Ok(sum)
    }

    /// What it says of downloads: they take the time until the container is there, whose making is in it.
    fn by_downloads(report: &Value, order: &Order) -> Result<Self, PeerError> {
        let wrong = || PeerError::Report("its downloads are not what was asked for");
        let all = report.get("downloads").and_then(Value::as_array).ok_or_else(wrong)?;
        let phases = report.get("phases").ok_or_else(wrong)?;
        let seconds = phases.get("prepare").and_then(Value::as_f64).ok_or_else(wrong)?;
        let mut sum = Self { seconds, ..Self::default() };
        for download in all {
            let is_checked = download.get("checked").and_then(Value::as_bool);
            if order.case.from() == Origin::Store && is_checked != Some(true) {
                return Err(wrong());
            }
            sum.add(download).ok_or_else(wrong)?;
        }
        Ok(sum)
    }

    fn add(&mut self, one: &Value) -> Option<()> {
        self.bytes += one.get("bytes").and_then(Value::as_u64)?;
        let carrier = text(one, "carrier");
        if !self.carriers.contains(&carrier) {
            self.carriers.push(carrier);
        }
        Some(())
    }
}

fn text(of: &Value, name: &str) -> String {
    of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
