//! Bodies that come a long way: one connection is slower than the line, so several fetch ahead.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gantline::internal::http::Get;
use gantline::internal::pump::{
    Carrier, Finish, Options, Sink, Source, Sum, Summed, TransferError, TransferReport,
};
use sha2::{Digest, Sha512};

use crate::far_link::{Buffer, FarLink, FarServer, Manner, Tags, Versions};
use crate::http_authority::{Authority, Version};
use crate::pump_peer::{Fixture, noise, reader};

const BYTES: usize = 40 << 20;

/// Streams `body` from a server of that manner over a long line into a FIFO, and reads it there.
fn stream(body: &Arc<Vec<u8>>, manner: Manner, options: Options) -> (TransferReport, FarServer) {
    let link = FarLink::up();
    let server = FarServer::start(&link, Arc::clone(body), manner);
    (stream_over(&link, body, options), server)
}

fn stream_over(link: &FarLink, body: &Arc<Vec<u8>>, options: Options) -> TransferReport {
    let (expected, size) = (Arc::clone(body), body.len() as u64);
    let report = link.near(move || {
        let fixture = Fixture::with(options);
        let (fifo, path) = fixture.fifo("in");
        fixture.flow.add(0, FarServer::source(Some(size)), Sink::Fifo(fifo)).unwrap();
        assert!(fixture.join(reader(path)) == *expected, "other bytes");
        fixture.flow.container_exited();
        fixture.ended(0)
    });
    assert_eq!((report.finish, report.bytes), (Finish::Complete, size));
    report
}

fn body() -> Arc<Vec<u8>> {
    Arc::new(noise(BYTES))
}

#[test]
fn a_body_that_comes_a_long_way_is_fetched_over_several_connections_in_its_order() {
    let (report, server) = stream(&body(), Manner::Keeps, Options::default());
    assert_eq!((report.carrier, report.resumed), (Carrier::Ring, 0));
    let (connections, requests) =
        (server.connections.load(Ordering::SeqCst), server.requests.load(Ordering::SeqCst));
    assert!((4..=9).contains(&connections), "{connections} connections");
    assert!(requests > connections, "a connection is used again: {requests} requests");
}

#[test]
fn where_it_is_less_far_one_connection_shows_first_that_it_is_too_slow() {
    let link = FarLink::of("10");
    let body = body();
    let server = FarServer::start(&link, Arc::clone(&body), Manner::Keeps);
    let report = stream_over(&link, &body, Options::default());
    assert_eq!((report.carrier, report.resumed), (Carrier::Ring, 0));
    assert!(server.connections.load(Ordering::SeqCst) >= 4);
}

#[test]
fn a_connection_that_is_far_slower_than_the_others_is_relieved_of_the_end_of_its_part() {
    let (report, server) = stream(&body(), Manner::ThirdIsSlow, Options::default());
    assert_eq!((report.carrier, report.resumed), (Carrier::Ring, 0));
    // One is the first, which was asked for all.
    assert!(server.left.load(Ordering::SeqCst) >= 2, "it was waited for to its end");
}

#[test]
fn a_connection_that_gives_nothing_more_loses_its_part_to_another() {
    let (report, server) = stream(&body(), Manner::ThirdStops, Options::default());
    // Nobody has waited until that was a stall, after which it would have been resumed.
    assert_eq!((report.carrier, report.resumed), (Carrier::Ring, 0));
    assert!(server.left.load(Ordering::SeqCst) >= 1, "it was not left");
}

#[test]
fn a_body_of_a_few_segments_is_shared_from_the_start() {
    let body = Arc::new(noise(16 << 20));
    let (report, server) = stream(&body, Manner::Keeps, Options::default());
    assert_eq!((report.carrier, report.resumed), (Carrier::Ring, 0));
    assert!(server.connections.load(Ordering::SeqCst) >= 4);
}

#[test]
fn a_server_that_closes_each_connection_is_asked_over_new_ones() {
    let (report, server) = stream(&body(), Manner::Closes, Options::default());
    assert_eq!((report.carrier, report.resumed), (Carrier::Ring, 0));
    assert!(server.connections.load(Ordering::SeqCst) >= 8);
}

#[test]
fn a_part_that_breaks_off_is_gone_on_with_at_the_byte() {
    let (report, _) = stream(&body(), Manner::Breaks, Options::default());
    assert_eq!(report.carrier, Carrier::Ring);
    assert!(report.resumed > 0);
}

#[test]
fn a_server_that_gives_no_parts_is_read_over_one_connection_to_the_end() {
    for manner in [Manner::IgnoresRanges, Manner::Refuses, Manner::IsSilent] {
        let (report, _) = stream(&body(), manner, Options::default());
        assert_eq!((report.carrier, report.resumed), (Carrier::Direct, 0), "{manner:?}");
    }
}

#[test]
fn where_several_are_no_faster_one_goes_on_with_the_right_byte() {
    for _ in 0..2 {
        let link = FarLink::up();
        let body = body();
        let manner = Manner::SharesARate;
        let server = FarServer::with_buffer(&link, Arc::clone(&body), manner, Buffer::Usual);
        let report = stream_over(&link, &body, Options::default());
        assert_eq!((report.carrier, report.resumed), (Carrier::Direct, 0));
        assert!(server.connections.load(Ordering::SeqCst) >= 4, "several were tried");
    }
}

#[test]
fn a_fast_connection_that_has_read_its_segment_goes_on_when_the_others_are_refused() {
    for manner in [Manner::IgnoresRanges, Manner::Refuses, Manner::IsSilent] {
        let link = FarLink::up();
        let body = Arc::new(noise(150 << 20));
        let _server = FarServer::with_buffer(&link, Arc::clone(&body), manner, Buffer::Usual);
        let report = stream_over(&link, &body, Options::default());
        assert_eq!((report.carrier, report.resumed), (Carrier::Direct, 0), "{manner:?}");
    }
}

#[test]
fn a_download_into_a_file_uses_them_as_well() {
    let link = FarLink::up();
    let body = body();
    let server = FarServer::start(&link, Arc::clone(&body), Manner::Keeps);
    let report = link.near(move || {
        let fixture = Fixture::new();
        let path = fixture.folder.path().join("file");
        let sink = Sink::File(std::fs::File::create(&path).unwrap());
        fixture.flow.add(0, FarServer::source(Some(body.len() as u64)), sink).unwrap();
        let report = fixture.ended(0);
        assert!(std::fs::read(path).unwrap() == *body, "other bytes");
        report
    });
    assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Ring));
    assert!(server.connections.load(Ordering::SeqCst) >= 4);
}

#[test]
fn there_is_never_a_second_connection_where_one_is_the_most() {
    let options = Options::default().with_connections(1);
    let (report, server) = stream(&Arc::new(noise(16 << 20)), Manner::Keeps, options);
    assert_eq!(report.carrier, Carrier::Direct);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_fifo_that_is_fetched_for_over_several_connections_is_read_again_from_its_first_byte() {
    let link = FarLink::up();
    let body = body();
    let _server = FarServer::start(&link, Arc::clone(&body), Manner::Keeps);
    let report = link.near(move || {
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        fixture.flow.add(0, FarServer::source(None), Sink::Fifo(fifo)).unwrap();
        let read = |path: &PathBuf| fixture.join(reader(path.clone()));
        assert!(read(&path) == *body, "other bytes");
        assert!(read(&path) == *body, "other bytes in the second reading");
        fixture.flow.container_exited();
        fixture.ended(0)
    });
    assert_eq!((report.finish, report.readings), (Finish::Complete, 2));
}

#[test]
fn with_tls_several_connections_fetch_as_well() {
    let link = FarLink::up();
    let body = body();
    let authority = Authority::new();
    let config = authority.issue(&["10.97.0.2"]).server(Version::Tls13);
    let server = FarServer::with_tls(&link, Arc::clone(&body), config);
    let report = link.near(move || {
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        let get = Get::new(url::Url::parse("https://10.97.0.2/file").unwrap());
        let source = Source::Http { client: authority.client(), get, size: None, sum: None };
        fixture.flow.add(0, source, Sink::Fifo(fifo)).unwrap();
        assert!(fixture.join(reader(path)) == *body, "other bytes");
        fixture.flow.container_exited();
        fixture.ended(0)
    });
    assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Ring));
    let (connections, requests) =
        (server.connections.load(Ordering::SeqCst), server.requests.load(Ordering::SeqCst));
    assert!((4..=9).contains(&connections), "{connections} connections");
    assert!(requests > connections, "a connection is used again: {requests} requests");
}

/// A body of which a part is another one's.
struct Mixed {
    link: FarLink,
    versions: Versions,
}

impl Mixed {
    /// It changes after three requests: when parts of it have been asked for, and before all have.
    fn with(tags: Tags) -> Self {
        let second = Arc::new(noise(BYTES).into_iter().map(|byte| !byte).collect());
        let versions = Versions { first: body(), second, after: 3, tags };
        Self { link: FarLink::up(), versions }
    }

    fn stream<T: Send + 'static>(
        self,
        sum: Option<Sum>,
        judge: impl FnOnce(&Fixture, Box<dyn FnOnce(&Fixture) -> Vec<u8>>) -> T + Send + 'static,
    ) -> T {
        let _server = FarServer::of_versions(&self.link, self.versions);
        self.link.near(move || {
            let fixture = Fixture::new();
            let (fifo, path) = fixture.fifo("in");
            let Source::Http { client, get, size, .. } = FarServer::source(Some(BYTES as u64))
            else {
                unreachable!()
            };
            let source = Source::Http { client, get, size, sum };
            fixture.flow.add(0, source, Sink::Fifo(fifo)).unwrap();
            let reader = reader(path);
            judge(&fixture, Box::new(|fixture| fixture.join(reader)))
        })
    }

    fn fails(self, sum: Option<Sum>) -> TransferError {
        self.stream(sum, |fixture, _| fixture.failed())
    }
}

fn sum_of(body: &[u8], when: Summed) -> Option<Sum> {
    let sha512 = Sha512::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Sum { sha512, when })
}

#[test]
fn a_file_that_changes_between_its_parts_is_found_by_its_sum_before_it_ends() {
    for when in [Summed::UnlessSpliced, Summed::Always] {
        let mixed = Mixed::with([""; 2]);
        let sum = sum_of(&mixed.versions.first, when);
        let error = mixed.fails(sum);
        assert!(matches!(error, TransferError::Checksum { .. }), "{when:?}: {error:?}");
    }
}

#[test]
fn a_file_that_comes_in_parts_and_is_as_its_sum_says_is_checked() {
    let mut mixed = Mixed::with([""; 2]);
    mixed.versions.after = usize::MAX;
    let body = Arc::clone(&mixed.versions.first);
    let sum = sum_of(&body, Summed::UnlessSpliced);
    let report = mixed.stream(sum, move |fixture, read| {
        assert!(read(fixture) == *body, "other bytes");
        fixture.flow.container_exited();
        fixture.ended(0)
    });
    assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Ring));
    assert!(report.is_checked && !report.is_unchecked, "{report:?}");
}

#[test]
fn a_file_whose_server_says_of_parts_that_they_are_of_another_version_fails() {
    const TAG: &str = "ETag: \"N\"\r\n";
    const DATE: &str = "Last-Modified: Fri, 27 Nov 2026 10:00:0N GMT\r\n";
    for tags in [[TAG, TAG], [DATE, DATE], ["", TAG], ["", DATE]] {
        let error = Mixed::with(tags).fails(None);
        let text = format!("{error:?}");
        assert!(text.contains("Changed"), "{tags:?}: {text}");
    }
}

#[test]
fn a_file_that_comes_in_parts_of_which_nothing_says_that_they_are_one_is_told_as_unchecked() {
    let report = Mixed::with([""; 2]).stream(None, |fixture, read| {
        assert_eq!(read(fixture).len(), BYTES);
        fixture.flow.container_exited();
        fixture.ended(0)
    });
    assert_eq!((report.finish, report.resumed), (Finish::Complete, 0));
    assert!(report.is_unchecked && !report.is_checked, "{report:?}");
}
