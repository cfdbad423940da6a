//! The last phase, whatever happened: the container, the transfers, FIFOs, files, directories.
//!
//! Everything is tried; what does not go is reported and stops nothing. A container that has exited
//! is removed while the results are collected; whether that went well is heard here.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::docker::{Client, ContainerId};
use crate::plan::Mount;
use crate::run::cancel::{CLEAN_UP_ENDS, CONTAINER_GOES, Cancellation, Cancelled};
use crate::run::clean_up_error::CleanUpError;
use crate::run::container::absence::patiently;
use crate::run::container::deaf::heard;
use crate::run::container::open_up;
use crate::run::container::stop::{kill, kill_without_engine, remove};
use crate::run::end::ContainerEnd;
use crate::run::labels::RUN_LABEL;
use crate::run::live::{Live, MadeContainer};
use crate::run::outcome::KeptRecord;
use crate::run::phases::late::{keep_inputs_open, remove_later};
use crate::run::quoted::quoted;
use crate::run::settings::Keep;
use crate::run::transfers::Turn;
use crate::span::carried;
use crate::volume::{Note, TempDirectory, VolumeError};

/// Removes everything that the run has made, and says what is still there.
pub(crate) async fn clean_up(live: &mut Live) -> Vec<CleanUpError> {
    live.reserve.clear();
    let mut left = Vec::new();
    let has_exited = matches!(live.made.container, MadeContainer::Removing(..));
    if !has_exited {
        // First whoever reads: an input that is let go looks like the end of a file.
        remove_container(live, &mut left).await;
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
        remove_container(live, &mut left).await;
    }
    live.record.ends();
    left
}

/// Begins to remove a container that has exited: nothing of what follows needs it. One that is to
/// stay stays.
pub(crate) fn begin_removal(
    live: &mut Live,
    engine: Client,
    (container, end): (ContainerId, ContainerEnd),
) {
    if live.plan.remove_container {
        let (cancellation, id) = (live.cancellation.clone(), container.clone());
        let removal = tokio::spawn(async move {
            patiently(&engine, &cancellation, || remove(&engine, &id)).await
        });
        live.made.container = MadeContainer::Removing(container, end, removal);
    }
}

/// How long a run that was cancelled may clean up, of the second that it has.
fn limit(live: &Live, spare: Duration) -> (Cancellation, (Duration, Duration)) {
    (live.cancellation.clone(), (live.given.stop_timeout, spare))
}

/// What cannot be removed in time stays in the record, until it is removed later.
async fn remove_container(live: &mut Live, left: &mut Vec<CleanUpError>) {
    let ((cancellation, limit), name) = (limit(live, CONTAINER_GOES), live.container_name());
    let started = match &live.made.container {
        MadeContainer::Started(id) => Some(id.clone()),
        _ => None,
    };
    let removed = cancellation.in_time(limit, take_container_away(live)).await;
    // One that may run is killed without its engine as well, before its inputs end: an engine that is away does not kill
    // it, and one that was killed while it started the container knows nothing of what runs.
    let is_killed = match &started {
        Some(id) => kill_without_engine(id).await,
        None => false,
    };
    match removed {
        Ok(Ok(())) => return live.made.container_note.take().into_iter().for_each(Note::gone),
        Ok(Err(error)) => left.push(error),
        Err(Cancelled) => {
            if let Some(id) = live.made.container.id().cloned() {
                remove_later(live, id);
            }
            left.push(CleanUpError::Late { what: format!("the container {name}") });
        }
    }
    if let Some(id) = started.filter(|_| !is_killed) {
        left.extend(keep_inputs_open(live, id));
    }
}

async fn take_container_away(live: &mut Live) -> Result<(), CleanUpError> {
    let name = live.container_name();
    let Some(engine) = &live.made.engine else { return Ok(()) };
    let cancellation = &live.cancellation;
    let failed = |source| CleanUpError::Container { name: name.clone(), source };
    match &mut live.made.container {
        MadeContainer::None => Ok(()),
        made @ (MadeContainer::Asked | MadeContainer::Refused) => {
            let mine = [(RUN_LABEL, Some(live.ledger.run().as_str()))];
            let found = heard(engine, cancellation, engine.list(&mine)).await.map_err(failed)?;
            if found.is_empty() && matches!(made, MadeContainer::Asked) {
                // It may still be made: the record goes on to name it.
                live.made.container_note = None;
            }
            for found in found {
                heard(engine, cancellation, remove(engine, &found.id)).await.map_err(failed)?;
            }
            Ok(())
        }
        MadeContainer::Exited(..) if !live.plan.remove_container => Ok(()),
        MadeContainer::Started(id) if !live.plan.remove_container => {
            // The run broke off: nothing would ever stop it.
            heard(engine, cancellation, kill(engine, id)).await.map_err(failed)
        }
        MadeContainer::Created(id) | MadeContainer::Started(id) | MadeContainer::Exited(id, _) => {
            heard(engine, cancellation, remove(engine, id)).await.map_err(failed)
        }
        MadeContainer::Removing(.., removal) => match removal.await {
            Ok(removed) => removed.map_err(failed),
            Err(_) => Err(CleanUpError::Bug("removing a container panicked")),
        },
    }
}

async fn end_transfers(live: &mut Live, left: &mut Vec<CleanUpError>) {
    live.transfers.cancel();
    for transfer in live.transfers.uploading() {
        live.transfers.give_up(transfer);
    }
    let (cancellation, limit) = limit(live, CLEAN_UP_ENDS);
    let deadline = Instant::now() + TRANSFERS_END;
    let ending = async {
        while !(live.transfers.have_ended() && live.transfers.have_settled()) {
            // The cause, or a consequence of it, is known already.
            let (Turn::Failed { .. } | Turn::GoOn) = live.transfers.turn().await;
        }
    };
    let Ok(Ok(())) = cancellation.in_time(limit, timeout_at(deadline, ending)).await else {
        let labels = live.transfers.under_way().into_iter();
        left.extend(labels.map(|label| CleanUpError::Transfer { label }));
        return;
    };
    for mut relay in std::mem::take(&mut live.made.relays) {
        // What a writer has failed with is a consequence, too.
        let _ = cancellation.in_time(limit, timeout_at(deadline, relay.ended())).await;
    }
}

/// The container may have left a large tree: not in the runtime's thread.
async fn remove_directories(live: &mut Live, left: &mut Vec<CleanUpError>) {
    let (cancellation, limit) = limit(live, CLEAN_UP_ENDS);
    let is_temporary = |(_, mount): &(usize, &Mount)| matches!(mount, Mount::Temporary { .. });
    let mounts = live.plan.mounts.iter().enumerate().filter(is_temporary);
    let mounts: Vec<usize> = mounts.map(|(at, _)| at).collect();
    for (mount, directory) in mounts.into_iter().zip(std::mem::take(&mut live.made.directories)) {
        let has_result = live.made.staying.contains(&mount);
        if has_result || (live.given.keep == Keep::Always && live.made.container.id().is_some()) {
            let path = directory.keep();
            if !has_result {
                live.keeps(KeptRecord { path, command: None });
            }
            continue;
        }
        let what = directory.path().display().to_string();
        match cancellation.in_time(limit, remove_directory(live, directory)).await {
            Ok(removed) => left.extend(removed.err()),
            Err(Cancelled) => left.push(CleanUpError::Late { what }),
        }
    }
}

async fn remove_directory(live: &Live, directory: TempDirectory) -> Result<(), CleanUpError> {
    let (directory, removed) = try_to_remove(directory).await?;
    let Err(first) = removed else { return Ok(()) };
    if !(first.is_refused() && open_up::is_needed()) {
        return Err(CleanUpError::Volume(first));
    }
    let opened = open_up::open_up(live, directory.path()).await;
    tracing::debug!(?opened, "opened up what another user has made");
    let (directory, removed) = try_to_remove(directory).await?;
    removed.map_err(|source| {
        let path = quoted(&directory.outer().display().to_string());
        CleanUpError::Refused {
            command: format!("sudo rm -rf --one-file-system -- {path}"),
            source,
        }
    })
}

async fn try_to_remove(
    mut directory: TempDirectory,
) -> Result<(TempDirectory, Result<(), VolumeError>), CleanUpError> {
    let removing = spawn_blocking(carried(move || {
        let removed = directory.remove();
        (directory, removed)
    }));
    removing.await.map_err(|_| CleanUpError::Bug("removing a directory panicked"))
}

/// Cancelled transfers only have to let go, and uploads to tell Girder.
const TRANSFERS_END: Duration = Duration::from_secs(10);
