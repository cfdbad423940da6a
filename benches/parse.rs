//! What do the parsers cost that stand in the way of bytes, or of a run's beginning?
//!
//! `cargo bench --bench parse`

#![expect(clippy::unwrap_used, reason = "a bench that cannot run stops")]

use std::fs;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gantline::JobSpec;
use gantline::internal::docker::frame::Decoder;
use gantline::internal::fuzzing;

/// Is taking frames apart far cheaper than copying them, for large and for tiny frames?
fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    for payload in [16, 1 << 10, 32 << 10] {
        let mut frame = vec![1, 0, 0, 0];
        frame.extend(u32::try_from(payload).unwrap().to_be_bytes());
        frame.resize(8 + payload, b'x');
        let bytes = frame.repeat((1 << 20) / payload);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("payload", payload), &bytes, |b, bytes| {
            b.iter(|| {
                let (mut decoder, mut rest, mut payload) = (Decoder::default(), &bytes[..], 0);
                while let Some(piece) = decoder.next(rest).unwrap() {
                    payload += piece.payload.len();
                    rest = &rest[piece.consumed..];
                }
                black_box(payload)
            });
        });
    }
    group.finish();
}

/// How long is a job document parsed, of a usual size and of a large one?
fn job_documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("job document");
    for connects in [1, 100] {
        let connect = |number: usize| {
            format!(
                r#"{{"type": "Connect",
                     "input": {{"type": "GirderFileIdToStream", "id": "5f8f7c2a1b2c3d4e5f6a7b8c"}},
                     "output": {{"type": "NamedInputPipe", "name": "in-{number}"}}}}"#
            )
        };
        let arguments: Vec<_> = (0..connects).map(connect).collect();
        let text = format!(
            r#"{{"image": "busybox",
                 "container_args": ["sha256sum", {}]}}"#,
            arguments.join(", ")
        );
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("connects", connects), &text, |b, text| {
            b.iter(|| JobSpec::from_json(black_box(text)).unwrap());
        });
    }
    group.finish();
}

/// How long is a message of Girder Worker's parsed, whose objects jsonpickle has written?
fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    for name in ["plain", "stream_in", "upload_to_item"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/message");
        let text = fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("of", name), &text, |b, text| {
            b.iter(|| JobSpec::from_message(black_box(text)).unwrap());
        });
    }
    group.finish();
}

/// What does the head of a response cost, a short one and one behind two proxies?
fn http_heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("HTTP head");
    for fields in [3, 30] {
        let mut head =
            "HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\nETag: \"5f8f7c2a\"\r\n".to_owned();
        for number in 0..fields {
            head.push_str(&format!("X-Field-{number}: a value of an ordinary length\r\n"));
        }
        head.push_str("\r\n");
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_with_input(BenchmarkId::new("fields", fields), &head, |b, head| {
            b.iter(|| assert!(fuzzing::http_head_parses(black_box(head.as_bytes()))));
        });
    }
    group.finish();
}

criterion_group!(benches, frames, job_documents, messages, http_heads);
criterion_main!(benches);
