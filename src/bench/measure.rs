//! The measurement: case by case, run by run.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::begun::Begun;
use super::case::{Case, Destination, Origin, SMALL_FILE};
use super::child::{Canceller, Crew};
use super::error::BenchError;
use super::girder::FILE_ID;
use super::message::{Container, Message, Moved, Order, source_file};
use super::other::Other;
use super::peer::Role;
use super::store::{Folder, Store};
use super::strace;
use super::table::{Measured, Measurement, Run};

/// What is to be measured, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The command itself: its children are its own program.
    pub program: PathBuf,
    /// The arguments before a child's [`Role`].
    pub peer: Vec<String>,
    /// In this order.
    pub cases: Vec<Case>,
    /// Bytes of each transfer.
    pub size: u64,
    /// Transfers at once.
    pub parallel: usize,
    /// Small files, in the cases that have many.
    pub files: usize,
    /// How often each case is measured.
    pub runs: usize,
    /// Where the file, the FIFOs and what is written are, until the end.
    pub folder: PathBuf,
    /// Where it is written down what is made, if not in the usual place; see `gantline prune`.
    pub record_folder: Option<PathBuf>,
    /// Measure the ordinary run, in a container of this image.
    pub image: Option<String>,
    /// Count system calls, in a run of its own under strace.
    pub system_calls: bool,
    /// Another build, which moves the same bytes in turn with this one.
    pub against: Option<PathBuf>,
}

/// More would need more connections than the depot serves, and more descriptors than a process has.
const MOST_PARALLEL: usize = 250;

/// A depot keeps more in mind; a folder for tests needs no more.
const MOST_FILES: usize = 100_000;

impl Options {
    fn check(&self) -> Result<(), BenchError> {
        let unfit = |text: &str| Err(BenchError::Unfit(text.to_owned()));
        if self.size == 0 || self.runs == 0 || self.cases.is_empty() {
            return unfit("there is nothing to measure: size, runs and cases must not be zero");
        }
        if !(1..=MOST_PARALLEL).contains(&self.parallel) {
            return Err(BenchError::Unfit(format!(
                "{} transfers at once cannot be measured, only 1 to {MOST_PARALLEL}",
                self.parallel
            )));
        }
        if !(1..=MOST_FILES).contains(&self.files) {
            return Err(BenchError::Unfit(format!(
                "{} small files cannot be measured, only 1 to {MOST_FILES}",
                self.files
            )));
        }
        if let Some(case) = self.cases.iter().find(|case| case.is_of_files())
            && self.parallel > 1
        {
            let name = case.as_str();
            return Err(BenchError::Unfit(format!(
                "{name} has as many transfers at once as the command takes: measure it without --parallel"
            )));
        }
        if self.image.is_none()
            && let Some(case) = self.cases.iter().find(|case| case.needs_container())
        {
            let name = case.as_str();
            return Err(BenchError::Unfit(format!(
                "{name} goes through a container: name its image, such as --image busybox"
            )));
        }
        if self.image.is_some() {
            if let Some(case) = self.cases.iter().find(|case| !case.has_container()) {
                let name = case.as_str();
                return Err(BenchError::Unfit(format!("{name} has no container to go through")));
            }
            if self.parallel > 1 && self.cases.contains(&Case::StdoutFile) {
                return unfit("a container has one stdout: stdout-file is for one transfer");
            }
            if self.system_calls {
                return unfit("system calls are counted without a container");
            }
        }
        if self.system_calls {
            strace::check()?;
        }
        Ok(())
    }
}

/// How far a measurement is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// It can be made, and begins.
    Begun,
    /// A case is measured.
    Measured(&'a Measured),
}

/// Measures, and gives all of it; `told` has each step at once.
///
/// # Errors
/// [`BenchError`]. What was made is removed.
pub fn measure(
    options: &Options,
    canceller: &Canceller,
    told: &mut dyn FnMut(Step<'_>),
) -> Result<Measurement, BenchError> {
    options.check()?;
    let other = options.against.as_deref().map(Other::ask).transpose()?;
    let begun = Begun::now();
    let folder = Folder::make(options, canceller)?;
    let bench = Bench { options, canceller, folder: &folder };
    told(Step::Begun);
    let measured = options.cases.iter().map(|case| {
        let measured = bench.case(*case)?;
        told(Step::Measured(&measured));
        Ok(measured)
    });
    let measured = measured.collect::<Result<Vec<_>, _>>();
    // What went wrong before matters more than what cannot be removed.
    let removed = folder.remove();
    let cases = measured?;
    removed?;
    Ok(Measurement::new(options, begun, other, cases))
}

/// A measurement on its way.
struct Bench<'a> {
    options: &'a Options,
    canceller: &'a Canceller,
    folder: &'a Folder,
}

/// Which build moves in a run. Everybody else in it, store, readers and writers, is of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mover {
    Ours,
    Other,
}

/// What serves a case's source or sink, as long as it is kept.
enum Served {
    Nothing,
    Depot(Store),
    Server(String, #[expect(dead_code, reason = "it ends when this is dropped")] Crew),
}

impl Bench<'_> {
    fn case(&self, case: Case) -> Result<Measured, BenchError> {
        let served = self.serve(case)?;
        let order = self.order(case, &served);
        let mut runs = Vec::with_capacity(self.options.runs);
        let mut others = Vec::new();
        let mut carrier = String::new();
        for number in 0..self.options.runs {
            // A B B A: what changes on the machine from run to run meets both alike.
            for mover in self.movers(number % 2 == 1) {
                let (moved, run) = self.run(&order, mover, &[])?;
                if *mover == Mover::Ours {
                    carrier = moved.carrier;
                    runs.push(run);
                } else {
                    others.push(run);
                }
            }
        }
        let system_calls = self.options.system_calls.then(|| {
            let counted = self.folder.path().join("strace");
            self.run(&order, &Mover::Ours, &strace::command(&counted))?;
            strace::total(&counted)
        });
        let system_calls = system_calls.transpose()?;
        self.folder.sweep()?;
        let (bytes, files) = (order.bytes(), case.has_many().then_some(self.options.files));
        Ok(Measured { case, carrier, bytes, files, runs, others, system_calls })
    }

    /// Starts what a case's source is served by, or its sink.
    fn serve(&self, case: Case) -> Result<Served, BenchError> {
        let size = self.options.size;
        let (scheme, role) = match case.from() {
            _ if case.to() == Destination::Post => ("http", Role::TakePosts(size)),
            _ if case.is_upload() => {
                ("http", Role::TakeFiles(if case.has_many() { SMALL_FILE } else { size }))
            }
            Origin::Store => ("http", Role::ServeSummed(source_file(self.folder.path()))),
            Origin::Depot => {
                let store = Store::start(self.options, self.folder, case, self.canceller)?;
                return Ok(Served::Depot(store));
            }
            Origin::Tls => ("https", Role::ServeTls(self.folder.authority(), size)),
            Origin::Chunked => ("http", Role::ServeChunked(size)),
            Origin::File | Origin::Fifo | Origin::Stdout => return Ok(Served::Nothing),
        };
        let mut crew = Crew::new(case, self.canceller);
        crew.spawn("the server", &mut self.command(&role))?;
        let address = address(case, &mut crew)?;
        let place = if case.is_of_files() { "api/v1" } else { "source" };
        Ok(Served::Server(format!("{scheme}://{address}/{place}"), crew))
    }

    fn order(&self, case: Case, served: &Served) -> Order {
        let (url, in_girder) = match served {
            Served::Nothing => (None, None),
            Served::Depot(store) => {
                (Some(store.file()), Some((store.url.clone(), store.id.clone())))
            }
            Served::Server(url, _) => {
                let in_girder = (case.from() == Origin::Store).then(|| FILE_ID.to_owned());
                (Some(url.clone()), in_girder.map(|id| (url.clone(), id)))
            }
        };
        let container = self.options.image.clone().map(|image| Container { image, in_girder });
        Order {
            case,
            url,
            ca_file: (case.from() == Origin::Tls).then(|| self.folder.authority()),
            folder: self.folder.path().to_owned(),
            size: self.options.size,
            parallel: self.options.parallel,
            files: self.options.files,
            container,
        }
    }

    /// Who moves in a run and its counterpart, in this order or in the other.
    fn movers(&self, is_turned: bool) -> &'static [Mover] {
        match (&self.options.against, is_turned) {
            (None, _) => &[Mover::Ours],
            (Some(_), false) => &[Mover::Ours, Mover::Other],
            (Some(_), true) => &[Mover::Other, Mover::Ours],
        }
    }

    /// One run. `under` is what the moving process is started by, if not by us.
    fn run(
        &self,
        order: &Order,
        mover: &Mover,
        under: &[String],
    ) -> Result<(Moved, Run), BenchError> {
        self.folder.sweep()?;
        let mut crew = Crew::new(order.case, self.canceller);
        let role = if order.is_for_the_command() { Role::Run } else { Role::Move };
        let (name, program) = match (mover, &self.options.against) {
            (Mover::Other, Some(other)) => ("the moving process of the other build", other),
            _ => ("the moving process", &self.options.program),
        };
        let mover = crew.spawn(name, &mut self.command_of(program, under, &role))?;
        crew.tell(mover, order);
        crew.next()?;
        let peers = match order.is_for_the_command() {
            false => self.peers(order, &mut crew)?,
            // They are in the container, if there are any.
            true => 0..0,
        };
        let (mut ends, peers_count) = (Vec::with_capacity(peers.len()), peers.len());
        crew.tell(mover, &());
        if peers_count == 0 {
            crew.tell(mover, &());
        } else {
            // A FIFO is held before its reader comes, as it is before a container starts.
            crew.next()?;
            peers.for_each(|peer| crew.tell(peer, &()));
        }
        loop {
            match crew.next()? {
                (_, Message::Finished { bytes, at }) => {
                    ends.push((bytes, at));
                    if ends.len() == peers_count {
                        crew.tell(mover, &());
                    }
                }
                (_, Message::Moved(moved)) => return self.run_of(order, moved, &ends),
                _ => {}
            }
        }
    }

    /// Starts the readers or writers, waits until they are ready, and gives their numbers.
    fn peers(&self, order: &Order, crew: &mut Crew) -> Result<Range<usize>, BenchError> {
        let first = crew.size();
        for number in 0..order.parallel {
            let (name, role) = match (order.case.from(), order.case.to()) {
                (Origin::Fifo, _) => ("a writer", Role::Write(order.fifo(number), order.size)),
                (Origin::Stdout, _) => ("a writer", Role::Frames(order.attach(number), order.size)),
                (_, Destination::Fifo) => ("a reader", Role::Read(order.fifo(number))),
                (_, _) => break,
            };
            crew.spawn(name, &mut self.command(&role))?;
        }
        // Nothing else is said before the moving process is told to begin.
        for _ in first..crew.size() {
            crew.next()?;
        }
        Ok(first..crew.size())
    }

    fn run_of(
        &self,
        order: &Order,
        moved: Moved,
        ends: &[(u64, f64)],
    ) -> Result<(Moved, Run), BenchError> {
        let expected = order.bytes();
        let has_readers = order.case.to() == Destination::Fifo && order.container.is_none();
        let (found, seconds) = if has_readers {
            // What counts is when the readers had it.
            let last = ends.iter().map(|(_, at)| *at).fold(moved.began, f64::max);
            (ends.iter().map(|(bytes, _)| bytes).sum(), last - moved.began)
        } else {
            (moved.bytes, moved.seconds)
        };
        if found != expected {
            return Err(BenchError::Bytes { case: order.case, expected, found });
        }
        let run = Run {
            seconds,
            user_seconds: moved.user_seconds,
            system_seconds: moved.system_seconds,
            peak_memory: moved.peak_memory,
            voluntary_switches: moved.voluntary_switches,
            threads: moved.threads,
        };
        Ok((moved, run))
    }

    /// Our own program in a role.
    fn command(&self, role: &Role) -> Command {
        self.command_of(&self.options.program, &[], role)
    }

    /// A program in a role.
    fn command_of(&self, program: &Path, under: &[String], role: &Role) -> Command {
        let mut command = match under {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.args(&self.options.peer).args(role.arguments());
        command
    }
}

fn address(case: Case, crew: &mut Crew) -> Result<SocketAddr, BenchError> {
    match crew.next()? {
        (_, Message::Listening(address)) => Ok(address),
        _ => Err(BenchError::Child {
            case,
            name: "the server",
            message: "it has not said where it listens".to_owned(),
        }),
    }
}

/// What the folder cannot be.
pub(super) fn unprepared(path: &Path, source: io::Error) -> BenchError {
    BenchError::Prepare { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_depot_serves_is_not_measured() {
        let options = |parallel, files| Options {
            program: PathBuf::new(),
            peer: Vec::new(),
            cases: vec![Case::ALL[0]],
            size: 1,
            parallel,
            files,
            runs: 1,
            folder: PathBuf::new(),
            record_folder: None,
            image: None,
            system_calls: false,
            against: None,
        };
        assert!(options(MOST_PARALLEL, MOST_FILES).check().is_ok());
        for (parallel, files, words) in [
            (MOST_PARALLEL + 1, 1, "251 transfers at once"),
            (0, 1, "0 transfers at once"),
            (1, MOST_FILES + 1, "100001 small files"),
            (1, 0, "0 small files"),
        ] {
            let error = options(parallel, files).check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
