//! The fourth phase: the container is over, and what it wrote is still on its way.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use crate::docker::{Client, ContainerId, ContainerState, DockerError};
use crate::pump::Finish;
use crate::run::cancel::{Cancellation, Cancelled, Level};
use crate::run::chain::chain;
use crate::run::container::absence::patiently;
use crate::run::container::exit::Ended;
use crate::run::container::output::Output;
use crate::run::end::{ContainerEnd, End, Failed, Stop};
use crate::run::error::{Cause, too_much};
use crate::run::live::{Live, MadeContainer};
use crate::run::phases::clean_up::begin_removal;
use crate::run::phases::stream::Exited;
use crate::run::transfers::replaced::deliver_replaced;
use crate::run::transfers::{Moves, Turn};
use crate::span::carried;
use crate::spec::Verify;
use crate::sys::kernel_log;

/// The container is over and every byte has arrived.
#[derive(Debug)]
pub(crate) struct Drained {
    pub(crate) end: End,
}

impl Exited {
    /// Waits until every transfer has ended, and asks how the container did.
    ///
    /// The pump bounds the container's side of it: a FIFO or stream that somebody keeps open. How
    /// long our own sinks take is for them to say.
    pub(crate) async fn wait(self, live: &mut Live) -> Result<Drained, Stop> {
        let Self { engine, container, ended, is_cancelled } = self;
        let exit_code = ended.exit.status_code;
        live.has_results = exit_code == 0 && !is_cancelled;
        let is_cancelled = deliver_replaced(live, is_cancelled).await;
        let cancellation = live.cancellation.clone();
        let mut rest = Rest::new((&engine, &container, &cancellation), ended.at);
        rest.restore(live, &ended).await;
        live.transfers.container_exited();
        let inspect = || engine.inspect(&container);
        let (state, is_cancelled) = if exit_code == 0 {
            let inspected = patiently(&engine, &cancellation, inspect);
            tokio::join!(inspected, drain(live, &mut rest, is_cancelled))
        } else {
            let is_cancelled = drain(live, &mut rest, is_cancelled).await;
            let first = patiently(&engine, &cancellation, inspect).await;
            let state = look_at_failure(&engine, &container, first, exit_code == KILLED).await;
            (state, is_cancelled)
        };
        live.tells_job_of_exit(exit_code);
        if let Some(used) = live.made.usage.at_exit().await {
            live.report.memory_peak = Some(used.memory_peak);
            live.report.cpu_seconds = Some(used.cpu.as_secs_f64());
        }
        let oom_killed = match state {
            Ok(state) => {
                live.report.image_id = state.image_id;
                state.oom_killed
            }
            Err(error) => {
                let why = chain(&error);
                live.warns(format!("nothing is known of how the container ended: {why}"));
                false
            }
        };
        let end = ContainerEnd { exit_code, oom_killed };
        live.made.container = MadeContainer::Exited(container.clone(), end);
        begin_removal(live, engine, (container, end));
        let end = End { container: end, is_cancelled };
        if let Some(error) = ended.exit.error {
            live.warns(format!("the engine says of the container's end: {error}"));
        }
        warn_of_unchecked(live);
        warn_of_too_much(live, exit_code);
        tell_of_incomplete(live, is_cancelled);
        if end.has_succeeded() {
            warn_of_unopened(live);
        }
        match live.failure.take() {
            None => Ok(Drained { end }),
            Some((_, cause)) if is_cancelled => {
                live.warns(chain(&cause));
                Ok(Drained { end })
            }
            Some((phase, cause)) => {
                Err(Failed { phase: Some(phase), ..Failed::new(cause, is_cancelled) }.into())
            }
        }
    }
}

/// The exit code of a process that `SIGKILL` ended.
const KILLED: i64 = 137;

/// How long the engine may take to hear from the kernel that it was for want of memory: that comes
/// another way than the exit.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// How a container that failed has ended. An engine that is busy may never hear that it was for want of
/// memory (Docker 20.10 on cgroup v1 missed a third of such ends while it started other containers), so
/// the kernel is asked as well, where it is ours and we may.
async fn look_at_failure(
    engine: &Client,
    container: &ContainerId,
    first: Result<ContainerState, DockerError>,
    was_killed: bool,
) -> Result<ContainerState, DockerError> {
    let mut state = first?;
    if state.oom_killed {
        return Ok(state);
    }
    let id = container.to_string();
    match spawn_blocking(carried(move || kernel_log::names_as_out_of_memory(&id))).await {
        Ok(Ok(named)) => state.oom_killed = named,
        Ok(Err(error)) => tracing::debug!(%error, "cannot read the kernel's log"),
        Err(error) => tracing::debug!(%error, "reading the kernel's log panicked"),
    }
    if !was_killed || state.oom_killed {
        return Ok(state);
    }
    tokio::time::sleep(SECOND_LOOK).await;
    engine.inspect(container).await
}

/// Waits until every transfer has ended and every writer has everything. Whether the run is cancelled
/// now: one that is stopped has its last words still to come, and who insists does not want them.
async fn drain(live: &mut Live, rest: &mut Rest, is_cancelled: bool) -> bool {
    if live.transfers.have_ended() && live.made.relays.is_empty() {
        return is_cancelled;
    }
    let cancellation = live.cancellation.clone();
    let written = async {
        end_transfers(live, rest).await;
        end_relays(live).await;
    };
    let Err(Cancelled) = cancellation.unless(Level::beyond(is_cancelled), written).await else {
        return is_cancelled;
    };
    live.transfers.cancel();
    end_transfers(live, rest).await;
    true
}

/// A source that broke off, or came over several connections, and whose server does not tell one version of a file from
/// another, may be of two files.
fn warn_of_unchecked(live: &mut Live) {
    let may_be_unchecked = live.plan.verify.unwrap_or(live.given.verify) == Verify::Never;
    for id in live.transfers.ids() {
        let Some(report) = live.transfers.report(id).filter(|report| report.is_unchecked) else {
            continue;
        };
        let how = match report.resumed {
            // Who has said so has said it of every file.
            0 if may_be_unchecked => continue,
            0 => "came over several connections",
            _ => "broke off and was resumed",
        };
        let label = live.transfers.label(id);
        live.warns(format!(
            "{label} {how}, and the server does not say whether the file was still the same"
        ));
    }
}

/// runc starts a container before it learns that its program cannot be given so much, and says so in its place.
fn warn_of_too_much(live: &mut Live, exit_code: i64) {
    let bytes = live.plan.bytes_with(&live.plan.resolve(&live.resolved));
    if exit_code == 0 || bytes < LEAST_MOST {
        return;
    }
    let tail = live.stderr_tail.lock().unwrap_or_else(PoisonError::into_inner).lines();
    let is_runcs =
        |line: &String| line.starts_with("exec ") && line.ends_with(": argument list too long");
    if tail.last().is_some_and(is_runcs) {
        live.warns(format!("the container's program was not started: {}", too_much(bytes)));
    }
}

/// `ARG_MAX`: a program is given that much whatever its stack may have.
const LEAST_MOST: usize = 128 << 10;

async fn end_transfers(live: &mut Live, rest: &mut Rest) {
    while !live.transfers.have_ended() {
        if let Turn::Failed { cause } = live.transfers.turn().await {
            live.transfer_failed(cause);
        }
        rest.restore_more(live).await;
    }
}

/// The rest of the output, when its connection is over and that was not its end.
struct Rest {
    output: Output,
    exited: Instant,
    tries: u32,
}

impl Rest {
    fn new(
        (engine, container, cancellation): (&Client, &ContainerId, &Cancellation),
        exited: Instant,
    ) -> Self {
        let output = Output {
            engine: engine.clone(),
            container: container.clone(),
            cancellation: cancellation.clone(),
        };
        Self { output, exited, tries: 3 }
    }

    /// Looks whether the connection's end was the output's, before the pump takes it for that.
    async fn restore(&mut self, live: &mut Live, ended: &Ended) {
        if ended.away.is_some() {
            // What it held in its memory is lost, and nobody knows what that was.
            live.transfers.output_lacks();
        }
        // What the pump has told by now.
        while let Some(turn) = live.transfers.turn_now() {
            if let Turn::Failed { cause } = turn {
                live.transfer_failed(cause);
            }
        }
        self.restore_more(live).await;
    }

    /// What the pump has told since. The end of a connection that is orderly and comes when the pump has been told of
    /// the exit is not told: it ends the transfers.
    async fn restore_more(&mut self, live: &mut Live) {
        let Some(broke_off) = live.transfers.output_broke_off() else { return };
        match self.output.was_all(broke_off, self.exited).await {
            true => live.transfers.output_was_all(),
            false => self.reopen(live).await,
        }
    }

    async fn reopen(&mut self, live: &mut Live) {
        let is_wanted = self.tries > 0 && live.cancellation.go_on().is_ok();
        self.tries = self.tries.saturating_sub(1);
        let successor = match is_wanted {
            true => self.output.reopen().await,
            false => Ok(None),
        };
        match successor {
            Ok(Some(successor)) => live.transfers.output_goes_on(successor),
            nothing => {
                tracing::debug!(?nothing, "the rest of the output cannot be had");
                live.transfers.gives_output_up();
            }
        }
    }
}

/// A FIFO that has bytes for the program, or whose bytes somebody wants, and that the program has not opened.
fn warn_of_unopened(live: &mut Live) {
    for (label, finish, moves) in live.transfers.ends() {
        if moves != Moves::Words && finish == Finish::NotOpened {
            live.warns(format!("{label}: the container has not opened this FIFO"));
        }
    }
}

/// Output of which the engine has lost some, or may have: where somebody will take it for all, the run fails.
fn tell_of_incomplete(live: &mut Live, is_cancelled: bool) {
    for (label, finish, moves) in live.transfers.ends() {
        if finish != Finish::Incomplete {
            continue;
        }
        let cause = Cause::Incomplete { label };
        match moves == Moves::Results && !is_cancelled {
            true => live.transfer_failed(cause),
            false => live.warns(chain(&cause)),
        }
    }
}

async fn end_relays(live: &mut Live) {
    while let Some(relay) = live.made.relays.last_mut() {
        let written = relay.ended().await;
        live.made.relays.pop();
        if let Err(error) = written {
            live.warns(format!("cannot write the container's output: {error}"));
        }
    }
}

impl Live {
    /// Remembers the first failure; another is a warning.
    pub(crate) fn transfer_failed(&mut self, cause: Cause) {
        match &self.failure {
            None => self.failure = Some((self.phase(), cause)),
            Some(_) => self.warns(chain(&cause)),
        }
    }
}
