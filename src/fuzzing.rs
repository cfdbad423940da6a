//! What the fuzz targets call, and the replay of their corpora in the ordinary test run.
//!
//! Each function takes any bytes and must neither panic nor hang; its assertions are what else it
//! promises. A target has a row in [`TARGETS`], a line in `fuzz/fuzz_targets/`, an entry in
//! `fuzz/Cargo.toml` and a folder in `fuzz/corpus/`, all of one name; tests say which is missing.

#[cfg(feature = "worker")]
use std::time::SystemTime;

use rustls::crypto::cipher::{AeadKey, Iv};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};
#[cfg(feature = "worker")]
use serde_json::Value;

use crate::depot::range::{self, Wanted};
use crate::depot::request::Head;
use crate::docker::frame;
use crate::http::chunked;
use crate::http::head::{self, Collector, Framing, Taken};
use crate::http::tls::record::{Opener, Sealer};
use crate::spec::{Argument, FifoPlace, Hook, HttpUrl, JobSpec, Secret, SpecError, VolumeRef};
#[cfg(feature = "worker")]
use crate::worker::celery::{Envelope, Predecessor};

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub static TARGETS: &[Target] = &[
    #[cfg(feature = "worker")]
    ("celery_message", celery_message),
    ("depot_request", depot_request),
    ("docker_frames", docker_frames),
    ("http_chunks", http_chunks),
    ("http_head", http_head),
    ("job_document", job_document),
    ("message", message),
    ("tls_records", tls_records),
];

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
        Err(error) => {
            let place = error.place();
            let line = text.trim_start_matches('\u{feff}').split('\n').nth(place.line - 1);
            assert!(line.is_some_and(|line| place.column <= line.chars().count() + 1), "{error}");
            assert!(error.to_string().len() < 16_384, "the document is in its error");
        }
    }
}

/// Whether bytes are a whole head of a response: what benches/ measures of the HTTP client.
pub fn http_head_parses(data: &[u8]) -> bool {
    let mut collector = Collector::new(64 << 10);
    let whole = matches!(collector.take(data), Ok(Taken::Whole(_)));
    whole && head::parse(collector.bytes()).is_ok()
}

/// The head of a response, in whatever pieces it comes, ends at the same byte, and says the same
/// or is the same error. The first byte says how large the pieces are.
pub fn http_head(data: &[u8]) {
    const LIMIT: usize = 4096;
    let Some((size, bytes)) = data.split_first() else { return };
    let collect = |size: usize| {
        let mut collector = Collector::new(LIMIT);
        let mut taken = 0;
        for piece in bytes.chunks(size) {
            match collector.take(piece)? {
                Taken::All => taken += piece.len(),
                Taken::Whole(count) => {
                    return Ok((taken + count, collector.bytes().to_vec(), true));
                }
            }
        }
        Ok((taken, collector.bytes().to_vec(), false))
    };
    let whole = collect(LIMIT + bytes.len());
    assert_eq!(whole, collect(usize::from(*size).max(1)), "a split changes the head");
    let Ok::<_, head::HeadError>((length, collected, is_whole)) = whole else { return };
    assert_eq!(bytes.get(..length), Some(&*collected), "the head is not what came");
    if let (true, Ok(head)) = (is_whole, head::parse(&collected)) {
        assert!((100..1000).contains(&head.status));
        let text = String::from_utf8_lossy(&collected).to_ascii_lowercase();
        assert!(head.framing != Framing::Chunked || text.contains("transfer-encoding"));
        assert!(!matches!(head.framing, Framing::Length(_)) || text.contains("content-length"));
    }
}

/// A chunked body, in whatever pieces it comes, has the same payload and the same end, or is the
/// same error. The first byte says how large the pieces are.
pub fn http_chunks(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let decode = |size: usize| {
        let mut decoder = chunked::Decoder::default();
        let (mut payload, mut ended) = (Vec::new(), false);
        for piece in bytes.chunks(size) {
            let mut piece = piece.to_vec();
            let decoded = decoder.decode(&mut piece)?;
            assert!(!ended || decoded.payload == 0, "payload behind the end");
            payload.extend_from_slice(piece.get(..decoded.payload).unwrap_or_default());
            ended = decoded.ended;
        }
        assert!(payload.len() <= bytes.len(), "more came out than went in");
        Ok::<_, chunked::ChunkError>((payload, ended))
    };
    assert_eq!(decode(bytes.len().max(1)), decode(usize::from(*size).max(1)), "a split matters");
}

/// What is sealed comes out, one record's content behind the other's; what nobody has sealed never
/// does. The first byte says which version and cipher, and whether the rest is to be sealed; then the
/// second says how long the contents are, each of which begins with its type.
pub fn tls_records(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let version = match choice & 1 {
        0 => ProtocolVersion::TLSv1_2,
        _ => ProtocolVersion::TLSv1_3,
    };
    let secrets = || {
        let (key, iv) = (AeadKey::from([1; 32]), Iv::new([2; 12]));
        match choice & 2 {
            0 => (3, ConnectionTrafficSecrets::Aes256Gcm { key, iv }),
            _ => (3, ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }),
        }
    };
    let sides = (Opener::new(version, secrets()), Sealer::new(version, secrets()));
    assert!(matches!(sides, (Ok(_), Ok(_))), "secrets of rustls's are refused");
    let (Ok(mut opener), Ok(mut sealer)) = sides else { return };
    if choice & 4 == 0 {
        let mut bytes = rest.to_vec();
        let opened = opener.open(&mut bytes, 0, 0);
        return assert!(!matches!(opened, Ok(Some(_))), "a record that nobody has sealed");
    }
    let Some((size, rest)) = rest.split_first() else { return };
    let (mut bytes, mut contents) = (Vec::new(), Vec::new());
    for content in rest.chunks(usize::from(*size) * 64 + 1) {
        let kind = ContentType::from(20 + content.first().map_or(0, |kind| kind % 4));
        contents.extend_from_slice(content);
        assert_eq!(sealer.seal(kind, content, &mut bytes), Ok(()));
    }
    let (mut from, mut to) = (0, 0);
    while let Ok(Some(opened)) = opener.open(&mut bytes, from, to) {
        assert_eq!(u8::from(opened.kind), 20 + bytes.get(to).map_or(0, |kind| kind % 4));
        (from, to) = (from + opened.wire, to + opened.content);
    }
    assert!(from == bytes.len() && bytes.get(..to) == Some(&*contents), "a record was lost");
}

/// An attach's bytes, in whatever pieces they come, are the same streams, or the same error. The
/// first byte says how large the pieces are.
pub fn docker_frames(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let decode = |size: usize| {
        let mut decoder = frame::Decoder::new();
        let mut streams = [Vec::new(), Vec::new(), Vec::new()];
        for piece in bytes.chunks(size) {
            let mut rest = piece;
            while let Some(found) = decoder.next(rest)? {
                assert!(!found.payload.is_empty() && found.consumed >= found.payload.len());
                let stream = match found.stream {
                    frame::Stream::Stdin => 0,
                    frame::Stream::Stdout => 1,
                    frame::Stream::Stderr => 2,
                };
                streams[stream].extend_from_slice(found.payload);
                rest = rest.get(found.consumed..).unwrap_or_default();
            }
        }
        Ok::<_, frame::FrameError>((streams, decoder.ended()))
    };
    assert_eq!(decode(bytes.len().max(1)), decode(usize::from(*size).max(1)), "a split matters");
}

/// The head of a request to the depot is partial until it is whole, and then ends where it did
/// whatever follows it; a range that it asks for lies in the file.
pub fn depot_request(data: &[u8]) {
    const SIZE: u64 = 1000;
    let Head::Complete(request, length) = Head::parse(data) else { return };
    let alone = Head::parse(data.get(..length).unwrap_or_default());
    assert_eq!(alone, Head::Complete(request.clone(), length), "what follows a head changes it");
    let cut = Head::parse(data.get(..length - 1).unwrap_or_default());
    assert!(!matches!(cut, Head::Complete(..)), "a head ends before its end");
    assert!(request.path.iter().all(|part| !part.is_empty()));
    if let Some(Wanted::Part(start, end)) =
        request.range.map(|header| range::of_header(&header, SIZE))
    {
        assert!(start < end && end <= SIZE);
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
