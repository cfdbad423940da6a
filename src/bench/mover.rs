//! The moving process: a pump and nothing else, so that its CPU and memory are the pump's.

use std::fs::File;
use std::io::{BufRead, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::Receiver;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use url::Url;

use super::attach;
use super::case::{Destination, Origin};
use super::error::PeerError;
use super::message::{Message, Moved, Order, hear, now, say};
use crate::http::{Client, ClientOptions, Get, Post};
use crate::pump::{Attach, Carrier, Finish, Flow, Notice, Options, Pump, Sink, Source};
use crate::run::Frames;
use crate::sys::fifo::Fifo;

/// Takes an order, makes what its peers open, moves the bytes, and says what that has taken.
///
/// It hears the order, says `Ready`, hears that its peers are there, begins, says `Ready` again, after
/// which they open their ends, hears that they have come to their ends, and says `Moved`.
pub(super) fn serve(
    mut input: Box<dyn BufRead + Send>,
    out: &mut dyn Write,
) -> Result<(), PeerError> {
    let order: Order = hear(&mut input)?;
    let options = Options::default().with_spool_folder(&order.folder);
    let pump = Pump::start(options).map_err(PeerError::Pump)?;
    let ends = (0..order.parallel).map(|number| Ends::make(&order, number));
    let ends = ends.collect::<Result<Vec<_>, _>>()?;
    say(out, &Message::Ready)?;
    hear::<()>(&mut input)?;

    let (sender, notices) = crossbeam_channel::unbounded();
    let flow = Arc::new(pump.flow(Arc::new(move |notice| {
        // Nobody listens any more once one has failed.
        let _ = sender.send(notice);
    })));
    let before = usage()?;
    let mut moving = Moving::begin()?;
    for (number, ends) in ends.into_iter().enumerate() {
        moving.starts.push(moving.clock.elapsed().as_secs_f64());
        ends.add(&flow, number, order.parallel)?;
    }
    say(out, &Message::Ready)?;
    let transfers = if order.case.from() == Origin::Stdout { 2 } else { 1 } * order.parallel;
    let told = Arc::clone(&flow);
    // It waits for a line that does not come when a transfer fails; then the process ends.
    thread::spawn(move || {
        if hear::<()>(&mut input).is_ok() {
            told.container_exited();
        }
    });
    moving.until_all_have_ended(&notices, transfers)?;
    let after = usage()?;
    say(out, &Message::Moved(moving.into_moved(&before, &after)?))
}

/// The ends of one transfer, made but not joined.
#[expect(clippy::large_enum_variant, reason = "there are a few, each for as long as a measurement")]
enum Ends {
    Pair(Source, Sink),
    Attached(UnixListener, File),
}

impl Ends {
    fn make(order: &Order, number: usize) -> Result<Self, PeerError> {
        let source = match order.case.from() {
            Origin::Depot | Origin::Tls | Origin::Chunked => {
                let (client, url) = http(order)?;
                Source::Http { client, get: Get::new(url), size: Some(order.size), sum: None }
            }
            Origin::File => Source::File(open(&order.source_file())?),
            Origin::Store => return Err(PeerError::NotForPump),
            Origin::Fifo => Source::Fifo(fifo(order, number)?),
            Origin::Stdout => {
                let path = order.attach(number);
                let listener = attach::listen(&path);
                let listener = listener.map_err(|error| PeerError::Open(path, error))?;
                return Ok(Self::Attached(listener, create(&order.target(number))?));
            }
        };
        let sink = match order.case.to() {
            Destination::Fifo => Sink::Fifo(fifo(order, number)?),
            Destination::File => Sink::File(create(&order.target(number))?),
            Destination::Volume | Destination::Store => return Err(PeerError::NotForPump),
            Destination::Post => {
                let (client, url) = http(order)?;
                Sink::Post { client, post: Post::new(url) }
            }
        };
        Ok(Self::Pair(source, sink))
    }

    fn add(self, flow: &Flow, number: usize, parallel: usize) -> Result<(), PeerError> {
        match self {
            Self::Pair(source, sink) => flow.add(number, source, sink).map_err(PeerError::Pump),
            Self::Attached(listener, file) => {
                let accepted = listener.accept().and_then(|(socket, _)| {
                    socket.set_nonblocking(true)?;
                    Ok(OwnedFd::from(socket))
                });
                let socket = accepted
                    .map_err(|error| PeerError::System("accept the container's output", error))?;
                let split = Box::new(Frames::default());
                let attach = Attach::new(socket, Bytes::new(), split);
                let stderr = Sink::File(create(Path::new("/dev/null"))?);
                flow.attach(attach, (number, Sink::File(file)), (parallel + number, stderr))
                    .map_err(PeerError::Pump)
            }
        }
    }
}

fn http(order: &Order) -> Result<(Client, Url), PeerError> {
    let ca_files = order.ca_file.iter().cloned();
    let client = Client::new(ClientOptions::default().with_ca_files(ca_files));
    let url = order.url.as_deref().and_then(|url| Url::parse(url).ok()).ok_or(PeerError::Url)?;
    Ok((client.map_err(PeerError::Http)?, url))
}

fn fifo(order: &Order, number: usize) -> Result<Fifo, PeerError> {
    let path = order.fifo(number);
    let name = path.file_name().unwrap_or_default();
    let made = open(&order.folder)?;
    Fifo::create(made.as_fd(), name).map_err(|error| PeerError::Open(path, error))
}

fn open(path: &Path) -> Result<File, PeerError> {
    File::open(path).map_err(|error| PeerError::Open(path.to_owned(), error))
}

fn create(path: &Path) -> Result<File, PeerError> {
    File::create(path).map_err(|error| PeerError::Open(path.to_owned(), error))
}

/// Transfers on their way.
struct Moving {
    /// When they began, by the machine's clock and by ours.
    began: f64,
    clock: Instant,
    /// When each did, after that.
    starts: Vec<f64>,
    seconds: f64,
    bytes: u64,
    carriers: Vec<Carrier>,
    threads: u64,
}

impl Moving {
    fn begin() -> Result<Self, PeerError> {
        Ok(Self {
            began: now()?,
            clock: Instant::now(),
            starts: Vec::new(),
            seconds: 0.0,
            bytes: 0,
            carriers: Vec::new(),
            threads: 0,
        })
    }

    fn until_all_have_ended(
        &mut self,
        notices: &Receiver<Notice>,
        mut transfers: usize,
    ) -> Result<(), PeerError> {
        // All have begun. What comes and goes with a transfer is there when it ends.
        self.threads = status("Threads:")?;
        while transfers > 0 {
            match notices.recv() {
                Ok(Notice::Failed { error, .. }) => return Err(PeerError::Transfer(error)),
                Ok(Notice::Ended { id, report }) => {
                    if report.finish != Finish::Complete {
                        return Err(PeerError::Finish(report.finish.as_str()));
                    }
                    transfers -= 1;
                    self.threads = self.threads.max(status("Threads:")?);
                    // Those beyond are of standard error, which is empty.
                    let Some(start) = self.starts.get(id) else { continue };
                    self.seconds = self.seconds.max(start + report.seconds);
                    self.bytes += report.bytes;
                    if !self.carriers.contains(&report.carrier) {
                        self.carriers.push(report.carrier);
                    }
                }
                Ok(_) => {}
                Err(_) => return Err(PeerError::Finish("nothing: the pump has stopped")),
            }
        }
        Ok(())
    }

    fn into_moved(self, before: &Usage, after: &Usage) -> Result<Moved, PeerError> {
        let carriers: Vec<_> = self.carriers.iter().map(|carrier| carrier.as_str()).collect();
        Ok(Moved {
            began: self.began,
            seconds: self.seconds,
            bytes: self.bytes,
            carrier: carriers.join(", "),
            user_seconds: seconds(after.user_time()) - seconds(before.user_time()),
            system_seconds: seconds(after.system_time()) - seconds(before.system_time()),
            // Not getrusage's: that begins with what the process held that started this one.
            peak_memory: status("VmHWM:")? * 1024,
            voluntary_switches: after
                .voluntary_context_switches()
                .abs_diff(before.voluntary_context_switches()),
            threads: Some(self.threads),
        })
    }
}

fn usage() -> Result<Usage, PeerError> {
    getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|errno| PeerError::System("ask for the CPU time", errno.into()))
}

/// Of getrusage(2), in seconds.
pub(super) fn seconds(time: nix::sys::time::TimeVal) -> f64 {
    // Exact below 285 years.
    std::time::Duration::from_micros(time.num_microseconds().unsigned_abs()).as_secs_f64()
}

/// A number that the kernel tells of this process; of memory in KiB.
fn status(name: &str) -> Result<u64, PeerError> {
    let system = |error| PeerError::System("read /proc/self/status", error);
    let status = std::fs::read_to_string("/proc/self/status").map_err(system)?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| system(std::io::ErrorKind::InvalidData.into()))
}
