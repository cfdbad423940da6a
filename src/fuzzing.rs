//! What the fuzz targets call, and the replay of their corpora in the ordinary test run.
//!
//! Each function takes any bytes and must neither panic nor hang; its assertions are what else it
//! promises. A target has a row in [`TARGETS`], a line in `fuzz/fuzz_targets/`, an entry in
//! `fuzz/Cargo.toml` and a folder in `fuzz/corpus/`, all of one name; a test says which is missing.

use std::collections::BTreeMap;

use crate::spec::{
    Argument, FifoPlace, Hook, HttpUrl, JobSpec, Secret, Sink, Source, SpecError, VolumeRef,
};

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub static TARGETS: &[Target] = &[("job_document", job_document), ("message", message)];

/// A job document is refused with a place in it, or gives a job that hangs together and shows no
/// secret.
pub fn job_document(data: &[u8]) {
    refused_or_right(data, JobSpec::from_json);
}

/// The same of a message of Girder Worker's.
pub fn message(data: &[u8]) {
    refused_or_right(data, JobSpec::from_message);
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
        Err(error) => {
            let place = error.place();
            let line = text.trim_start_matches('\u{feff}').split('\n').nth(place.line - 1);
            assert!(line.is_some_and(|line| place.column <= line.chars().count() + 1), "{error}");
            assert!(error.to_string().len() < 16_384, "the document is in its error");
        }
    }
}

fn assert_hangs_together(job: &JobSpec) {
    let there = |volume: &VolumeRef| match volume {
        VolumeRef::Default => true,
        VolumeRef::Listed(index) => *index < job.volumes.len(),
    };
    let place = |place: &FifoPlace| match place {
        FifoPlace::Volume(volume) => there(volume),
        FifoPlace::Paths { container_path, host_path } => {
            container_path.starts_with('/') && host_path.is_absolute()
        }
    };
    for argument in &job.container_args {
        assert!(match argument {
            Argument::Literal(text) => !text.contains('\0'),
            Argument::Volume(volume) => there(volume),
            Argument::VolumePath(path) => there(&path.volume) && !path.filename.starts_with('/'),
            Argument::Fifo(fifo) => place(&fifo.place) && !fifo.name.starts_with('/'),
            Argument::Connect(_) | Argument::GirderApiUrl | Argument::GirderToken => true,
            Argument::Download(download) => there(&download.volume),
            Argument::ProgressPipe(fifo) => place(&fifo.place) && !fifo.name.starts_with('/'),
        });
    }
    for path in job.result_hooks.iter().filter_map(Hook::path) {
        assert!(there(&path.volume) && !path.filename.starts_with('/'));
    }
    for connect in job.connects() {
        let container = matches!(connect.source, Source::ContainerStdOut | Source::ContainerStdErr);
        assert!(container || connect.fifo().is_some_and(|fifo| place(&fifo.place)));
    }
}

/// Puts other secrets in the places of all there are: what is shown must not depend on them.
fn replace_secrets(job: &mut JobSpec) {
    let replace = |url: &mut HttpUrl, headers: &mut BTreeMap<String, Secret>| {
        headers.values_mut().for_each(|value| *value = Secret::new("other"));
        let mut other = url.as_url().clone();
        other.set_query(other.query().map(|_| "other"));
        other.set_fragment(None);
        *url = HttpUrl::parse(other.as_str()).unwrap_or_else(|| url.clone());
    };
    if let Some(job) = &mut job.girder_job {
        replace(&mut job.url, &mut job.headers);
    }
    job.girder_client_token = job.girder_client_token.take().map(|_| Secret::new("other"));
    let connects = job.container_args.iter_mut().filter_map(|argument| match argument {
        Argument::Connect(connect) => Some(connect.as_mut()),
        _ => None,
    });
    for connect in connects.chain(&mut job.stream_connectors) {
        if let Source::Url { url, headers } = &mut connect.source {
            replace(url, headers);
        }
        if let Sink::ChunkedPost { url, headers } = &mut connect.sink {
            replace(url, headers);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::TARGETS;

    /// Calls every target with every file of its corpus.
    #[test]
    fn every_file_of_every_corpus_passes() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        for (name, target) in TARGETS {
            let corpus = fuzz.join("corpus").join(name);
            let files: Vec<_> = fs::read_dir(&corpus)
                .unwrap_or_else(|error| panic!("no corpus for {name}: {error}"))
                .map(|entry| entry.unwrap().path())
                .collect();
            assert!(!files.is_empty(), "the corpus of {name} is empty");
            for file in files {
                // Shown only if the target panics.
                println!("{}", file.display());
                target(&fs::read(&file).unwrap());
            }
        }
    }

    #[test]
    fn every_target_is_built_and_every_built_one_is_a_target() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        for (name, _) in TARGETS {
            assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).exists(), "no file for {name}");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "no [[bin]] for {name}");
        }
        assert_eq!(manifest.matches("\n[[bin]]\n").count(), TARGETS.len());
        assert_eq!(fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count(), TARGETS.len());
    }
}
