//! The last phase, whatever happened: the container, the transfers, FIFOs, files, directories.
//!
//! Everything is tried; what does not go is reported and stops nothing. A container that has exited
//! is removed while the results are collected; whether that went well is heard here.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::docker::{Client, ContainerId, DockerError};
use crate::run::container::absence::patiently;
use crate::run::container::deaf::heard;
use crate::run::container::stop::{kill, kill_without_engine, remove};
use crate::run::error::CleanUpError;
use crate::run::labels::RUN_LABEL;
use crate::run::live::{Live, MadeContainer};
use crate::run::transfers::Turn;

/// Removes everything that the run has made, and says what is still there.
pub(crate) async fn clean_up(live: &mut Live) -> Vec<CleanUpError> {
    let mut left = Vec::new();
    let has_exited = matches!(live.made.container, MadeContainer::Removing(_));
    if !has_exited {
        // First whoever reads: an input that is let go looks like the end of a file.
        left.extend(remove_container(live).await.err());
    }
    end_transfers(live, &mut left).await;
    let markers = std::mem::take(&mut live.made.markers);
    for fifo in std::mem::take(&mut live.made.fifos).into_iter().chain(markers) {
        left.extend(fifo.remove().err().map(CleanUpError::Volume));
    }
    for (_, file) in std::mem::take(&mut live.made.files) {
        left.extend(file.remove().err().map(CleanUpError::HostFile));
    }
    remove_directories(live, &mut left).await;
    if has_exited {
        left.extend(remove_container(live).await.err());
    }
    left
}

/// Begins to remove a container that has exited: nothing of what follows needs it. One that is to
/// stay stays.
pub(crate) fn begin_removal(live: &mut Live, engine: Client, container: ContainerId) {
    if live.plan.remove_container {
        let cancellation = live.cancellation.clone();
        let removal = tokio::spawn(async move {
            patiently(&engine, &cancellation, || remove(&engine, &container)).await
        });
        live.made.container = MadeContainer::Removing(removal);
    }
}

async fn remove_container(live: &mut Live) -> Result<(), CleanUpError> {
    take_container_away(live).await?;
    if let Some(note) = live.made.container_note.take() {
        note.gone();
    }
    Ok(())
}

async fn take_container_away(live: &mut Live) -> Result<(), CleanUpError> {
    let name = live.container_name();
    let Some(engine) = &live.made.engine else { return Ok(()) };
    let cancellation = &live.cancellation;
    let failed = |source| CleanUpError::Container { name: name.clone(), source };
    match std::mem::take(&mut live.made.container) {
        MadeContainer::None => Ok(()),
        MadeContainer::Asked => {
            let mine = [(RUN_LABEL, Some(live.ledger.run().as_str()))];
            for found in heard(engine, cancellation, engine.list(&mine)).await.map_err(failed)? {
                heard(engine, cancellation, remove(engine, &found.id)).await.map_err(failed)?;
            }
            Ok(())
        }
        MadeContainer::Started(id) if !live.plan.remove_container => {
            // It has exited, unless the run broke off: then nothing would ever stop it.
            and_kill(&id, heard(engine, cancellation, kill(engine, &id)).await)
                .await
                .map_err(failed)
        }
        MadeContainer::Created(id) => {
            heard(engine, cancellation, remove(engine, &id)).await.map_err(failed)
        }
        MadeContainer::Started(id) => {
            and_kill(&id, heard(engine, cancellation, remove(engine, &id)).await)
                .await
                .map_err(failed)
        }
        MadeContainer::Removing(removal) => match removal.await {
            Ok(removed) => removed.map_err(failed),
            Err(_) => Err(CleanUpError::Bug("removing a container panicked")),
        },
    }
}

/// A container that may run is killed without its engine as well, before its inputs end: an engine that is away does
/// not kill it, and one that was killed while it started the container knows nothing of what runs.
async fn and_kill(
    container: &ContainerId,
    gone: Result<(), DockerError>,
) -> Result<(), DockerError> {
    kill_without_engine(container).await;
    gone
}

async fn end_transfers(live: &mut Live, left: &mut Vec<CleanUpError>) {
    live.transfers.cancel();
    for transfer in live.transfers.uploading() {
        live.transfers.give_up(transfer);
    }
    let deadline = Instant::now() + TRANSFERS_END;
    while !(live.transfers.have_ended() && live.transfers.have_settled()) {
        match timeout_at(deadline, live.transfers.turn()).await {
            // The cause, or a consequence of it, is known already.
            Ok(Turn::Failed { .. } | Turn::GoOn) => {}
            Err(_) => {
                let labels = live.transfers.under_way().into_iter();
                left.extend(labels.map(|label| CleanUpError::Transfer { label }));
                return;
            }
        }
    }
    for mut relay in std::mem::take(&mut live.made.relays) {
        // What a writer has failed with is a consequence, too.
        let _ = timeout_at(deadline, relay.ended()).await;
    }
}

/// The container may have left a large tree: not in the runtime's thread.
async fn remove_directories(live: &mut Live, left: &mut Vec<CleanUpError>) {
    for directory in std::mem::take(&mut live.made.directories) {
        match spawn_blocking(move || directory.remove()).await {
            Ok(removed) => left.extend(removed.err().map(CleanUpError::Volume)),
            Err(_) => left.push(CleanUpError::Bug("removing a directory panicked")),
        }
    }
}

/// Cancelled transfers only have to let go, and uploads to tell Girder.
const TRANSFERS_END: Duration = Duration::from_secs(10);
