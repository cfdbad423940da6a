//! What the fuzz targets call, and the replay of their corpora in the ordinary test run.
//!
//! Each function takes any bytes and must neither panic nor hang; its assertions are what else it
//! promises. A target has a row in [`TARGETS`], a line in `fuzz/fuzz_targets/`, an entry in
//! `fuzz/Cargo.toml` and a folder in `fuzz/corpus/`, all of one name; tests say which is missing.

mod http;
mod jobs;
mod schedules;
mod told;

pub use self::http::{depot_request, http_chunks, http_head, http_head_parses, tls_records};
#[cfg(feature = "worker")]
pub use self::jobs::celery_message;
pub use self::jobs::{docker_py_keywords, job_document, message};
pub use self::schedules::{fifo_readers, pump_transfer};
pub use self::told::{
    docker_frames, filter_progress, girder_archive, girder_listing, progress_lines,
};

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub static TARGETS: &[Target] = &[
    #[cfg(feature = "worker")]
    ("celery_message", celery_message),
    ("depot_request", depot_request),
    ("docker_frames", docker_frames),
    ("docker_py_keywords", docker_py_keywords),
    ("fifo_readers", fifo_readers),
    ("filter_progress", filter_progress),
    ("girder_archive", girder_archive),
    ("girder_listing", girder_listing),
    ("http_chunks", http_chunks),
    ("http_head", http_head),
    ("job_document", job_document),
    ("message", message),
    ("progress_lines", progress_lines),
    ("pump_transfer", pump_transfer),
    ("tls_records", tls_records),
];

#[cfg(test)]
mod tests {
    #[cfg(feature = "worker")]
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::TARGETS;

    /// Calls every target with every file of its corpus.
    #[test]
    fn every_file_of_every_corpus_passes() {
        for (name, target) in TARGETS {
            let corpus = corpora().join(name);
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

    #[cfg(feature = "worker")]
    #[test]
    fn every_corpus_has_a_target() {
        let entries = fs::read_dir(corpora()).unwrap();
        let corpora: BTreeSet<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(corpora, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
    }

    /// `fuzz/corpus`, by the link that also the package has: cargo leaves `fuzz/` out, as a package of its own.
    fn corpora() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"))
    }
}
