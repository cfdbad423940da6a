//! Documents, messages, and keywords: jobs in whatever form they come.

#[cfg(feature = "worker")]
use std::time::SystemTime;

#[cfg(feature = "worker")]
use serde_json::Value;

use crate::plan::Plan;
use crate::spec::{
    Argument, FifoPlace, Hook, HttpUrl, JobSpec, RunOptions, Secret, SpecError, VolumeRef,
};
#[cfg(feature = "worker")]
use crate::worker::celery::{Envelope, Predecessor};

/// A job document is refused with a place in it, or gives a job that hangs together and shows no
/// secret.
pub fn job_document(data: &[u8]) {
    refused_or_right(data, JobSpec::from_json);
}

/// The same of a message of Girder Worker's.
pub fn message(data: &[u8]) {
    refused_or_right(data, JobSpec::from_message);
}

/// What is in a list of Redis is refused, or its body is the same once it is written again; a task that it asks for is
/// refused, or all that follows it can be read again.
#[cfg(feature = "worker")]
pub fn celery_message(data: &[u8]) {
    let Ok(envelope) = Envelope::parse(data) else { return };
    let again = Envelope::parse(&envelope.to_json());
    assert!(again.is_ok(), "what was written cannot be read");
    let Ok(again) = again else { return };
    assert_eq!(again.message.body, envelope.message.body);
    assert_eq!(again.delivery, envelope.delivery);
    let Ok(task) = envelope.message.task() else { return };
    let now = SystemTime::UNIX_EPOCH;
    let predecessor = Predecessor { task: &task, queue: "celery", origin: "gen1@host", now };
    let id = || "id".to_owned();
    let followers = [predecessor.after_success(&Value::Null, id), predecessor.after_failure(id)];
    for follower in followers.into_iter().flatten().flatten() {
        let read = follower.message.task();
        let is_right = match &read {
            Ok(read) => read.head.parent_id.as_ref() == Some(&task.head.id),
            // Options are what the signature says.
            Err(unreadable) => unreadable.head.is_some(),
        };
        assert!(is_right, "{read:?}");
    }
}

fn refused_or_right(data: &[u8], parse: fn(&str) -> Result<JobSpec, SpecError>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Ok(mut job) => {
            assert_hangs_together(&job);
            let shown = format!("{job:?}");
            replace_secrets(&mut job);
            assert_eq!(shown, format!("{job:?}"), "a secret is shown");
        }
        Err(error) => assert_placed(&error, text),
    }
}

/// An error names a place that the text has, and is not the text.
fn assert_placed(error: &SpecError, text: &str) {
    let place = error.place();
    let line = text.trim_start_matches('\u{feff}').split('\n').nth(place.line - 1);
    assert!(line.is_some_and(|line| place.column <= line.chars().count() + 1), "{error}");
    assert!(error.to_string().len() < 16_384, "the document is in its error");
}

/// docker-py's keywords are refused with a place in them, or give a container to a job as a worker's options do:
/// once is as good as twice, what the job says itself stays, and the job can be planned or says why not.
pub fn docker_py_keywords(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let options = match RunOptions::from_json(text) {
        Ok(options) => options,
        Err(error) => return assert_placed(&error, text),
    };
    let job = r#"{"image": "busybox", "entrypoint": ["own"], "container_args": ["-n"]}"#;
    let Ok(mut job) = JobSpec::from_json(job) else { return };
    options.merge_into(&mut job);
    assert_hangs_together(&job);
    assert_eq!(job.entrypoint(), Some(&["own".to_owned()][..]));
    let once = format!("{job:?}");
    options.merge_into(&mut job);
    assert_eq!(once, format!("{job:?}"), "merged twice is another job");
    if let Ok(plan) = Plan::new(&job, || "t".to_owned()) {
        assert_eq!(plan.arguments(), ["-n"]);
    }
}

fn assert_hangs_together(job: &JobSpec) {
    let there =
        |volume: &VolumeRef| volume.listed().is_none_or(|index| index < job.volumes().len());
    let place = |place: &FifoPlace| match place {
        FifoPlace::Volume(volume) => there(volume),
        FifoPlace::Paths { container_path, host_path } => {
            container_path.starts_with('/') && host_path.is_absolute()
        }
    };
    for argument in job.container_args() {
        assert!(match argument {
            Argument::Literal(text) => !text.contains('\0'),
            Argument::Volume(volume) => there(volume),
            Argument::VolumePath(path) => there(&path.volume) && !path.filename.starts_with('/'),
            Argument::Fifo(fifo) => place(&fifo.place) && !fifo.name.starts_with('/'),
            Argument::Connect(_) | Argument::GirderApiUrl | Argument::GirderToken => true,
            Argument::Download(download) => there(&download.volume),
            Argument::CommaJoined(parts) => parts.iter().all(|part| match part {
                Argument::Volume(volume) => there(volume),
                Argument::VolumePath(path) => there(&path.volume),
                Argument::Download(download) => there(&download.volume),
                _ => false,
            }),
        });
    }
    for path in job.result_hooks().iter().filter_map(Hook::path) {
        assert!(there(&path.volume) && !path.filename.starts_with('/'));
    }
    for connect in job.connects() {
        assert!(
            connect.source.is_container_stream()
                || connect.fifo().is_some_and(|fifo| place(&fifo.place))
        );
    }
}

/// Puts other secrets in the places of all there are: what is shown must not depend on them.
fn replace_secrets(job: &mut JobSpec) {
    let (secrets, addresses) = job.secrets_mut();
    secrets.into_iter().for_each(|secret| *secret = Secret::new("other"));
    for address in addresses {
        let mut other = address.as_url().clone();
        other.set_query(other.query().map(|_| "other"));
        other.set_fragment(None);
        *address = HttpUrl::parse(other.as_str()).unwrap_or_else(|| address.clone());
    }
}
