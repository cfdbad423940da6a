//! What servers and clients say in HTTP, and what TLS makes of it.

use rustls::crypto::cipher::{AeadKey, Iv};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};

use crate::depot::range::{self, Wanted};
use crate::depot::request::Head;
use crate::http::chunked;
use crate::http::head::{self, Collector, Framing, Taken};
use crate::http::tls::record::{Opener, Sealer};

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
