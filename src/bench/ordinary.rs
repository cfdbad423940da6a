//! The moving process, by the ordinary run: `gantline run` with a container. This process waits for
//! it and says what the kernel counted for it.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

use super::case::{Destination, Origin};
use super::error::PeerError;
use super::message::{Container, Message, Moved, Order, hear, now, say};
use super::mover::seconds;

/// Takes an order, runs it as a job, and says what that has taken.
pub(super) fn serve(
    program: &Path,
    mut input: Box<dyn BufRead + Send>,
    out: &mut dyn Write,
) -> Result<(), PeerError> {
    let order: Order = hear(&mut input)?;
    let Some(container) = &order.container else { return Err(PeerError::Url) };
    // A signal is for all processes of this group. The run cleans up and ends; then this one does.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .map_err(|error| PeerError::System("take signals", error))?;
    }
    say(out, &Message::Ready)?;
    hear::<()>(&mut input)?;

    let report = order.folder.join("report.json");
    let began = now()?;
    let ended = run(program, &order, &job(&order, container), &report)?;
    if !ended.status.success() {
        let message = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        return Err(PeerError::Run { code: ended.status.to_string(), message });
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(|errno| PeerError::System("ask for the CPU time", errno.into()))?;
    let report = std::fs::read(&report).map_err(|error| PeerError::Open(report, error))?;
    let report: Value =
        serde_json::from_slice(&report).map_err(|_| PeerError::Report("it is not JSON"))?;
    let transfers = Transfers::of(&report, order.parallel)?;
    let moved = Moved {
        began,
        seconds: transfers.seconds,
        bytes: transfers.bytes,
        carrier: transfers.carriers.join(", "),
        user_seconds: seconds(usage.user_time()),
        system_seconds: seconds(usage.system_time()),
        peak_memory: usage.max_rss().unsigned_abs() * 1024,
        voluntary_switches: usage.voluntary_context_switches().unsigned_abs(),
        threads: None,
    };
    say(out, &Message::Moved(moved))
}

fn run(program: &Path, order: &Order, job: &Value, report: &Path) -> Result<Output, PeerError> {
    let mut command = Command::new(program);
    command.args(["run", "-", "--progress", "none", "--report"]).arg(report);
    if let Some(ca_file) = &order.ca_file {
        command.arg("--ca-file").arg(ca_file);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = |error| PeerError::System("start gantline run", error);
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it says why.
        let _ = stdin.write_all(job.to_string().as_bytes());
    }
    child.wait_with_output().map_err(failed)
}

/// The job document of an order.
fn job(order: &Order, container: &Container) -> Value {
    let source = match order.case.from() {
        Origin::Depot => {
            let id = container.girder_file.as_ref().map(|(_, id)| id);
            json!({"type": "GirderFileIdToStream", "id": id})
        }
        Origin::Tls | Origin::Chunked => json!({"type": "UrlToStream", "url": order.url}),
        Origin::File => json!({"type": "HostFileToStream", "path": order.source_file()}),
        Origin::Fifo | Origin::Stdout => Value::Null,
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
            (_, Destination::Fifo) => {
                (source.clone(), json!({"type": "NamedInputPipe", "name": fifo}))
            }
        };
        json!({"type": "Connect", "input": input, "output": output})
    };
    let connects: Vec<_> = (0..order.parallel).map(connect).collect();
    let write = format!("head -c {} /dev/zero", order.size);
    let (script, arguments, connectors) = match order.case.from() {
        Origin::Stdout => (write, Vec::new(), connects),
        Origin::Fifo => (for_each(&format!("{write} > \"$fifo\"")), connects, Vec::new()),
        _ => (for_each("cat \"$fifo\" > /dev/null"), connects, Vec::new()),
    };
    let fixed = ["-c", &script, "sh"].into_iter().map(Value::from);
    json!({
        "image": container.image,
        "pull_image": "if-not-present",
        "girder_api_url": container.girder_file.as_ref().map(|(url, _)| url),
        "entrypoint": "sh",
        "container_args": fixed.chain(arguments).collect::<Vec<_>>(),
        "stream_connectors": connectors,
    })
}

/// All at once, and done when all are.
fn for_each(command: &str) -> String {
    format!("for fifo in \"$@\"; do {command} & done; wait")
}

/// What the report says of the transfers that were measured.
struct Transfers {
    seconds: f64,
    bytes: u64,
    carriers: Vec<String>,
}

impl Transfers {
    fn of(report: &Value, parallel: usize) -> Result<Self, PeerError> {
        let wrong = || PeerError::Report("its transfers are not what was asked for");
        let all = report.get("transfers").and_then(Value::as_array).ok_or_else(wrong)?;
        let text = |transfer: &Value, name| {
            transfer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        // The others are the container's stdout and stderr, which become the command's own.
        let ours: Vec<_> =
            all.iter().filter(|transfer| !text(transfer, "sink").starts_with("host:")).collect();
        if ours.len() != parallel {
            return Err(wrong());
        }
        let mut sum = Self { seconds: 0.0, bytes: 0, carriers: Vec::new() };
        for transfer in ours {
            let seconds = transfer.get("seconds").and_then(Value::as_f64).ok_or_else(wrong)?;
            sum.seconds = sum.seconds.max(seconds);
            sum.bytes += transfer.get("bytes").and_then(Value::as_u64).ok_or_else(wrong)?;
            let carrier = text(transfer, "carrier");
            if !sum.carriers.contains(&carrier) {
                sum.carriers.push(carrier);
            }
        }
        Ok(sum)
    }
}
