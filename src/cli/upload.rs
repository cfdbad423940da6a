//! `gantline upload`: puts into Girder what a run could not.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use crossbeam_channel::{bounded, select};

use super::args::{Destination, UploadArgs};
use super::signals::Signals;
use super::{Failure, exit, render};
use crate::run::{ByHand, ByHandError, Done, NamedStore, UploadRecord, chain};
use crate::settings::{Environment, Settings};
use crate::spec::{Hook, Metadata, Secret, UploadOptions, VolumePath, VolumeRef};

/// Uploads it, and prints what came to Girder.
pub(super) fn upload(args: &UploadArgs, environment: &Environment) -> Result<u8, Failure> {
    let by_hand = by_hand(args, store(args, environment)?)?;
    let (stop, cancelled) = bounded::<Infallible>(0);
    let (insists, insisted) = bounded::<()>(1);
    let mut stop = Some(stop);
    let signals = Signals::take().map_err(|error| Failure::failed(&error))?;
    let taken = signals.each(move |_| {
        if stop.take().is_none() {
            let _ = insists.try_send(());
        }
    });
    let taken = taken.map_err(|error| Failure::failed(&error))?;
    let told = by_hand.start(cancelled).map_err(|error| match error {
        ByHandError::NoGirder => Failure {
            message: format!("{error}: use --girder-url or GIRDER_API_URL"),
            code: exit::FAILED,
        },
        error => Failure::failed(&error),
    })?;
    let done = select! {
        recv(told) -> done => done.ok(),
        recv(insisted) -> _ => None,
    };
    let signal = taken.first();
    let Some(Done { ended, uploads, warnings }) = done else {
        return Ok(exit::of_signal(signal));
    };
    warnings.iter().for_each(|warning| render::say(&format!("warning: {warning}")));
    let printed = render::print(&uploads.iter().map(line).collect::<String>())?;
    match ended {
        Ok(()) => match &args.destination.metadata_of {
            Some(item) => {
                render::print(&format!("{}: metadata of item {item}\n", args.path.display()))
            }
            None => Ok(printed),
        },
        Err(_) if signal.is_some() => Ok(exit::of_signal(signal)),
        Err(error) => Err(Failure { message: chain(&error), code: exit::FAILED }),
    }
}

fn line(uploaded: &UploadRecord) -> String {
    let UploadRecord { item_id, file_id, job_id, name, bytes, .. } = uploaded;
    let place = match (item_id, file_id, job_id) {
        (Some(item), Some(file), _) => format!("item {item}, file {file}"),
        (_, _, Some(job)) => format!("job {job}"),
        _ => "Girder".to_owned(),
    };
    format!("{name} ({}): {place}\n", render::bytes(*bytes))
}

/// The store, and by which way it is reached.
fn store(args: &UploadArgs, environment: &Environment) -> Result<NamedStore, Failure> {
    let settings = Settings::of(environment).map_err(|error| Failure::bad_usage(&error))?;
    let mut girder = settings.girder;
    if let Some(url) = &args.store.girder_url {
        girder = girder.with_url(url);
    }
    if let Some(token) = &args.store.girder_token {
        girder = girder.with_token(Secret::new(token));
    }
    let (ca_files, proxies) = (args.store.ca_file.clone(), settings.downloads.proxies);
    Ok(NamedStore { girder, ca_files, proxies })
}

/// The hook that a job would have for it.
fn by_hand(args: &UploadArgs, store: NamedStore) -> Result<ByHand, Failure> {
    let failed = |error: std::io::Error| Failure {
        message: format!("cannot find {}: {error}", args.path.display()),
        code: exit::BAD_JOB,
    };
    let whole = args.path.canonicalize().map_err(failed)?;
    let (root, filename) = split(&whole).ok_or_else(|| Failure {
        message: format!("cannot upload {}: its name is no UTF-8", args.path.display()),
        code: exit::BAD_JOB,
    })?;
    let path = VolumePath { filename, volume: VolumeRef::DEFAULT };
    let options = UploadOptions {
        reference: args.reference.clone(),
        mime_type: args.mime_type.clone(),
        ..UploadOptions::default()
    };
    let Destination { item, folder, job, metadata_of } = &args.destination;
    let hook = match (item, folder, metadata_of) {
        (Some(id), _, _) => Hook::UploadToItem { path, item_id: id.clone(), options },
        (_, Some(id), _) => Hook::UploadToFolder { path, folder_id: id.clone(), options },
        (_, _, Some(id)) => {
            Hook::ItemMetadata { item_id: id.clone(), metadata: Metadata::File(path) }
        }
        (None, None, None) => {
            let (job_id, name) = (job.clone(), args.name.clone());
            Hook::JobArtifact { path, job_id, name, upload_on_exception: false }
        }
    };
    Ok(ByHand { hook, root, job_id: job.clone(), store })
}

/// The folder, and the name in it; a folder's own contents are at its root.
fn split(whole: &Path) -> Option<(PathBuf, String)> {
    match (whole.is_dir(), whole.parent(), whole.file_name()) {
        (false, Some(folder), Some(name)) => Some((folder.to_owned(), name.to_str()?.to_owned())),
        _ => Some((whole.to_owned(), String::new())),
    }
}
