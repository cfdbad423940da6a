//! A container that was not removed when its run ended, and that may still run.
//!
//! What reads from us must not take our end for the file's. So the writing ends of its FIFOs stay open until it
//! is dead: in a guard of its own, which goes on when this process ends, and in this process while it lives.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::docker::{Client, ContainerId};
use crate::guard;
use crate::run::clean_up_error::CleanUpError;
use crate::run::container::stop::{kill, remove};
use crate::run::live::Live;
use crate::spec::Sink;
use crate::sys::pipe;
use crate::volume::Note;

/// A container that is still to be removed. A process that lives on leaves it to no prune; one that ends has it in the
/// record.
#[derive(Debug)]
pub(crate) struct LateRemoval {
    engine: Client,
    container: ContainerId,
    /// None: it is to stay, and only has to be dead.
    note: Option<Note>,
    /// Where it reads from. Closed when it is dead.
    inputs: Vec<OwnedFd>,
}

impl LateRemoval {
    /// Removes it, as soon as the engine does.
    pub(crate) async fn carry_out(self) {
        let Self { engine, container, note, inputs } = self;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE).with_patience(PATIENCE);
        loop {
            let gone = match &note {
                Some(_) => remove(&engine, &container).await,
                None => kill(&engine, &container).await,
            };
            match gone {
                Ok(()) => {
                    tracing::info!(%container, "removed after its run");
                    note.into_iter().for_each(Note::gone);
                    return;
                }
                Err(error) => tracing::debug!(%container, %error, "is tried again"),
            }
            if !backoff.may_try_again() && !is_any_read(&inputs) {
                break;
            }
            sleep(backoff.failed(None)).await;
        }
        tracing::warn!(%container, "cannot be removed: `gantline prune` does when this process has ended");
    }
}

/// Whether anybody has one of them open for reading. What cannot be asked is read.
fn is_any_read(inputs: &[OwnedFd]) -> bool {
    inputs.iter().any(|input| pipe::has_reader(input).unwrap_or(true))
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(512);

/// How long the pauses are in all, at least: an engine's host is started again in less. A container that reads from us is
/// not given up.
const PATIENCE: Duration = Duration::from_secs(900);

/// Notes a container that is to be removed later.
pub(crate) fn remove_later(live: &mut Live, container: ContainerId) {
    let note = live.made.container_note.take_if(|_| live.plan.remove_container);
    let engine = live.made.engine.clone().filter(|_| note.is_some());
    live.made.late =
        engine.map(|engine| LateRemoval { engine, container, note, inputs: Vec::new() });
}

/// Sees to it that a container which may still run sees no end of what it reads: to be called while our ends are open.
/// Gives what is to be told of it. None: it reads nothing.
pub(crate) fn keep_inputs_open(live: &mut Live, container: ContainerId) -> Option<CleanUpError> {
    let engine = live.made.engine.clone()?;
    let inputs = open_inputs(live);
    if inputs.is_empty() {
        return None;
    }
    let holder = guard::entrust(&engine.endpoint().to_string(), container.as_str(), &inputs);
    let note = live.made.container_note.take_if(|_| live.plan.remove_container);
    let late = LateRemoval { engine, container, note, inputs: Vec::new() };
    live.made.late.get_or_insert(late).inputs = inputs;
    Some(CleanUpError::MayRun { name: live.container_name(), holder })
}

/// Our ends of the FIFOs that the container reads, once more. One that nobody has open has nobody who could see its end.
fn open_inputs(live: &Live) -> Vec<OwnedFd> {
    let inputs = live.plan.transfers.iter().filter_map(|transfer| match &transfer.sink {
        Sink::Fifo(fifo) => live.made.fifos.get(fifo.at),
        _ => None,
    });
    inputs.filter_map(|fifo| fifo.share().open_writer().ok()).collect()
}
