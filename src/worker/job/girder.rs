//! The job in Girder, from its beginning to its last status.
//!
//! | Girder says at the beginning | the task |
//! |---|---|
//! | it runs now | goes on |
//! | it has succeeded or failed | is acknowledged: this is a second delivery |
//! | the same, and the message comes again | ends as it did, if its worker died before it told the result ([`end_of_other`]) |
//! | it runs already, and the message comes for the first time | is acknowledged: another worker got it as well |
//! | it runs already, and the message comes again | goes on if its worker died ([`ask`](super::ask)) |
//! | it is canceled, or was to be | REVOKED |
//! | it was deleted | REVOKED |
//! | 401, 403 | FAILURE: the token does not do |
//! | nothing, for as long as we are patient | FAILURE |
//! | nothing, and somebody revokes the task meanwhile | REVOKED |
//! | nothing, and the worker is stopped meanwhile | goes back to its queue |

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::stop::Stopper;
use super::{After, Job, comes_again};
use crate::girder::{GirderError, JobStatus};
use crate::reporter::{Begun, JobReporter, JobTeller, Mark, ReporterOptions, Stop, Untold};
use crate::run::chain;
use crate::worker::broker::End;
use crate::worker::celery::{GirderHeaders, parse_time};
use crate::worker::ended::{Ended, StoppedFor};
use crate::worker::node::Node;

/// A job's side in Girder.
#[derive(Debug)]
pub(super) struct GirderSide {
    reporter: JobReporter,
    teller: JobTeller,
}

/// How a job begins.
pub(super) enum Begin {
    /// Without a job in Girder there is no side there.
    Runs(Option<GirderSide>),
    NoContainer(After),
}

impl GirderSide {
    /// Tells Girder that the job runs, and heeds its answer.
    pub(super) async fn begin(node: &Rc<Node>, job: &Rc<Job>) -> Begin {
        let (is_nobodys, again) = (job.taken.is_nobodys.get(), comes_again(&job.taken));
        let reporter = match start(node, &job.task().head.girder, &job.stopper) {
            Ok(None) if again => return Begin::NoContainer(After::Ask(None)),
            Ok(None) => return Begin::Runs(None),
            Ok(Some(reporter)) => reporter,
            Err(words) => return Begin::NoContainer(After::Tell(Ended::unusable(words))),
        };
        let mark = (!is_nobodys).then(|| job.mark.clone());
        match answer(node, job, reporter, mark).await {
            Ok((_, Begun::Elsewhere)) if again => Begin::NoContainer(After::Ask(None)),
            Ok((_, Begun::Ended(status))) if again => {
                Begin::NoContainer(end_of_other(node, job, status).await)
            }
            Ok((reporter, begun)) => Self::go_on(node, reporter, begun),
            Err(after) => Begin::NoContainer(after),
        }
    }

    /// What Girder's answer means.
    fn go_on(node: &Rc<Node>, reporter: JobReporter, begun: Begun) -> Begin {
        let no_container = |ended| Begin::NoContainer(After::Tell(ended));
        match begun {
            Begun::Running => {
                note_waiting(node, &reporter);
                let teller = reporter.teller();
                Begin::Runs(Some(Self { reporter, teller }))
            }
            Begun::Ended(JobStatus::Canceled) | Begun::Canceled | Begun::Deleted => {
                no_container(Ended::Revoked)
            }
            Begun::Ended(_) => Begin::NoContainer(After::Acknowledge),
            Begun::Elsewhere => {
                tracing::warn!("the message came twice, and another worker runs the job");
                Begin::NoContainer(After::Acknowledge)
            }
            Begun::Refused(error) => {
                let what = match &*error {
                    GirderError::Unauthorized { .. } | GirderError::Forbidden { .. } => {
                        "Girder refuses the job's token"
                    }
                    _ => "Girder cannot be told that the job runs",
                };
                no_container(Ended::unusable(format!("{what}: {}", chain(&*error))))
            }
            Begun::Unreachable(error) => {
                let words =
                    format!("Girder could not be told that the job runs: {}", chain(&*error));
                let ended = Ended::unusable(words);
                // If it comes back all the same, the job does not stay as running for ever.
                tell_end_behind(node, reporter, &ended);
                no_container(ended)
            }
            Begun::Closed => no_container(Ended::unusable("bug: a closed reporter".to_owned())),
        }
    }

    /// Where the run leaves what it has to tell.
    pub(super) fn teller(&self) -> &JobTeller {
        &self.teller
    }

    /// Tells the rest of the log and the last status, and waits until Girder has them. A job whose
    /// success Girder could not be told has failed. If the worker is stopped meanwhile, a job that is not
    /// acknowledged is for another worker.
    pub(super) async fn end(self, node: &Node, job: &Job, after: After) -> After {
        match &after {
            After::Tell(ended) => tell_end(&self.teller, ended),
            // Whoever gets the message knows by it that nobody need be asked.
            After::GiveBack(_) => self.teller.log(&job.mark.leaves()),
            After::Acknowledge | After::Ask(_) => {}
        }
        let told = tell_and_finish(node, self.reporter).await;
        job.is_untold.set(is_missed(&told));
        match (after, told) {
            (After::Tell(Ended::Succeeded | Ended::Failed(_)), Err(_))
                if job.is_untold.get() && !job.is_acknowledged.get() && node.is_stopped() =>
            {
                After::GiveBack(End::Head)
            }
            (After::Tell(Ended::Succeeded), Err(untold)) if job.is_untold.get() => {
                After::Tell(Ended::unusable(chain(&untold)))
            }
            (after, _) => after,
        }
    }
}

/// What becomes of a message that comes again when its job in Girder has succeeded or failed. What follows the task and
/// its result are told after Girder: a worker that died in between has told neither.
async fn end_of_other(node: &Node, job: &Job, status: JobStatus) -> After {
    match node.results.have(&job.task().head.id).await {
        Some(true) => After::Acknowledge,
        _ => After::Ask(Some(status)),
    }
}

/// Ends a job in Girder that never started. False if the worker is stopped before Girder could be told.
pub(super) async fn end_unstarted(
    node: &Node,
    girder: &GirderHeaders,
    ended: &Ended,
    line: &str,
) -> bool {
    let reporter = match start(node, girder, &Stopper::default()) {
        Ok(None) => return true,
        Ok(Some(reporter)) => reporter,
        Err(words) => {
            tracing::warn!("{words}");
            return true;
        }
    };
    // Girder lets an error follow only what ran.
    if matches!(ended, Ended::Failed(_)) {
        let begun = tokio::select! {
            begun = begun(&reporter, None) => begun,
            () = node.stops() => {
                reporter.teller().hurry(Duration::ZERO);
                return false;
            }
        };
        if !matches!(begun, Begun::Running) {
            return true;
        }
    }
    let teller = reporter.teller();
    teller.log(&format!("{line}\n"));
    teller.status(ended.status());
    !is_missed(&tell_and_finish(node, reporter).await) || !node.is_stopped()
}

/// Waits until Girder has been told everything; for a moment only, when the worker is stopped. If it could not be, the
/// log says so.
pub(super) async fn tell_and_finish(node: &Node, reporter: JobReporter) -> Result<(), Untold> {
    let (sender, mut told) = oneshot::channel();
    let teller = reporter.teller();
    reporter.finish(move |result| drop(sender.send(result)));
    let told = tokio::select! {
        told = &mut told => told,
        () = node.stops() => {
            teller.hurry(LAST_WORDS);
            // A request that is under way has a time of its own.
            timeout(LAST_WORDS + MOMENT, told).await.unwrap_or(Ok(Err(Untold::Late)))
        }
    };
    let told = told.unwrap_or_else(|_| Err(Untold::Bug("the reporter's thread panicked")));
    if let Err(untold) = &told {
        tracing::warn!("{}", chain(untold));
    }
    told
}

/// Whether Girder does not know of a job's end, and would take it if it came back.
pub(super) fn is_missed(told: &Result<(), Untold>) -> bool {
    matches!(told, Err(Untold::Unreachable(_) | Untold::Late))
}

/// Tells the end of a job that nobody waits for. The worker does not end before, unless it is stopped.
fn tell_end_behind(node: &Rc<Node>, reporter: JobReporter, ended: &Ended) {
    tell_end(&reporter.teller(), ended);
    let (node, held) = (Rc::clone(node), node.holds());
    tokio::task::spawn_local(async move {
        let _ = tell_and_finish(&node, reporter).await;
        drop(held);
    });
}

fn start(
    node: &Node,
    girder: &GirderHeaders,
    stopper: &Stopper,
) -> Result<Option<JobReporter>, String> {
    let Some(job) = node.girder_job(girder) else { return Ok(None) };
    let patience = node.settings.girder_patience;
    let options = ReporterOptions {
        patience,
        girder: node.settings.girder_options(),
        look: LOOK,
        absence: Some(patience),
        knows_address: true,
        retries: node.health.metrics.girder_retries(),
        ..ReporterOptions::default()
    };
    let stopper = stopper.clone();
    let stop = move |why| {
        stopper.stop(match why {
            Stop::Away => StoppedFor::GirderAway { seconds: patience.as_secs() },
            _ => StoppedFor::Cancel,
        });
    };
    JobReporter::start(&job, options, stop).map(Some).map_err(|error| chain(&error))
}

/// Counts how long a job has waited since it was made.
fn note_waiting(node: &Node, reporter: &JobReporter) {
    let created = reporter.created().as_deref().and_then(parse_time);
    // Of another clock's future nothing is said.
    let waited = created.and_then(|created| SystemTime::now().duration_since(created).ok());
    if let Some(waited) = waited {
        node.health.metrics.waited(waited);
    }
}

/// What Girder says to it that the job runs; what becomes of the message if that is not waited for any longer.
async fn answer(
    node: &Rc<Node>,
    job: &Job,
    reporter: JobReporter,
    mark: Option<Mark>,
) -> Result<(JobReporter, Begun), After> {
    tokio::select! {
        biased;
        begun = begun(&reporter, mark) => return Ok((reporter, begun)),
        () = node.is_revoked(&job.task().head.id) => {}
        () = node.stops() => {
            // From now on it is for another worker to say how the job is.
            reporter.teller().hurry(Duration::ZERO);
            return Err(After::GiveBack(End::Head));
        }
    }
    tell_end_behind(node, reporter, &Ended::Revoked);
    Err(After::Tell(Ended::Revoked))
}

/// Tells Girder that the job runs; with a mark, only if no other worker runs it.
async fn begun(reporter: &JobReporter, mark: Option<Mark>) -> Begun {
    let (sender, begun) = oneshot::channel();
    let tell = move |begun| drop(sender.send(begun));
    match mark {
        Some(mark) => reporter.begin_alone_then(mark, tell),
        None => reporter.begin_then(tell),
    }
    begun.await.unwrap_or(Begun::Closed)
}

fn tell_end(teller: &JobTeller, ended: &Ended) {
    match ended {
        Ended::Succeeded | Ended::Terminated => {}
        Ended::Failed(failure) if failure.is_told => {}
        Ended::Failed(failure) => teller.log(&format!("error: {}\n", failure.words)),
        Ended::Revoked => teller.log("the job was cancelled\n"),
        Ended::Expired => teller.log("the job expired\n"),
    }
    teller.status(ended.status());
}

/// How often a job that says nothing is looked at, for a cancel that the broker lost.
const LOOK: Duration = Duration::from_secs(30);

/// For what Girder is still told when the worker is stopped.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// For the reporter's thread to say so.
const MOMENT: Duration = Duration::from_millis(500);
