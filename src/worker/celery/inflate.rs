//! Bodies that their sender has compressed.
//!
//! kombu names five methods: three that Python has by itself, and brotli and Zstandard, for which the
//! sender has a package.

use std::io::{self, BufReader, Read, Write};

use super::task::Problem;

/// The longest body that is read, compressed or not: what a job document may have.
pub(super) const MAX_BODY_BYTES: usize = 16 << 20;

/// Undoes what the header `compression` names.
pub(super) fn inflate(body: &[u8], method: &str) -> Result<Vec<u8>, Problem> {
    inflate_within(MAX_BODY_BYTES, body, method)
}

/// Undoes a compression if it gives no more than `most` bytes.
fn inflate_within(most: usize, body: &[u8], method: &str) -> Result<Vec<u8>, Problem> {
    match method {
        "application/x-gzip" | "gzip" | "zlib" => zlib(most, body),
        "application/x-bz2" | "bzip2" | "bzip" => {
            bounded(most, bzip2::read::BzDecoder::new(body), "bzip2")
        }
        "application/x-lzma" | "lzma" | "xz" => lzma(most, body),
        "application/x-brotli" | "brotli" => {
            bounded(most, brotli_decompressor::Decompressor::new(body, BLOCK), "brotli")
        }
        "application/zstd" | "zstd" | "zstandard" => {
            let frame = ruzstd::decoding::StreamingDecoder::new(body);
            bounded(most, frame.map_err(|_| Problem::Compressed("Zstandard"))?, "Zstandard")
        }
        _ => Err(Problem::Compression("a method that kombu does not have")),
    }
}

/// Bytes that are looked at at once.
const BLOCK: usize = 4096;

/// What kombu calls gzip is a zlib stream.
fn zlib(most: usize, body: &[u8]) -> Result<Vec<u8>, Problem> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
    decompress_to_vec_zlib_with_limit(body, most).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => Problem::TooLong,
        _ => Problem::Compressed("zlib"),
    })
}

fn lzma(most: usize, body: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut out = Bounded { most, bytes: Vec::new(), full: false };
    let read = lzma_rs::xz_decompress(&mut BufReader::new(body), &mut out);
    match read {
        _ if out.full => Err(Problem::TooLong),
        Ok(()) => Ok(out.bytes),
        Err(_) => Err(Problem::Compressed("xz")),
    }
}

fn bounded(most: usize, reader: impl Read, method: &'static str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = reader
        .take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut bytes);
    match read {
        Ok(length) if length > most => Err(Problem::TooLong),
        Ok(_) => Ok(bytes),
        Err(_) => Err(Problem::Compressed(method)),
    }
}

/// Takes no more than a body may have.
struct Bounded {
    most: usize,
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn decoded(method: &str, base64: &str) -> Result<Vec<u8>, Problem> {
        inflate(&STANDARD.decode(base64).unwrap(), method)
    }

    #[test]
    fn what_python_compresses_is_read() {
        // By `kombu.compression.compress(b'[["bb"], {}, null]', NAME)`, the last by Python's zstandard.
        for (method, base64) in [
            ("application/x-gzip", ZLIB),
            ("application/x-bz2", BZ2),
            ("application/x-lzma", LZMA),
            ("zlib", ZLIB),
            ("xz", LZMA),
            ("application/x-brotli", BROTLI),
            ("application/zstd", ZSTD),
        ] {
            assert_eq!(decoded(method, base64).unwrap(), b"[[\"bb\"], {}, null]", "{method}");
        }
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_an_error() {
        let wrong =
            [("zlib", BZ2), ("bzip2", LZMA), ("lzma", ZLIB), ("brotli", ZSTD), ("zstd", ZLIB)];
        for (method, base64) in wrong {
            assert!(matches!(decoded(method, base64), Err(Problem::Compressed(_))), "{method}");
            let mut cut = STANDARD.decode(ZLIB).unwrap();
            cut.truncate(9);
            assert!(inflate(&cut, "zlib").is_err());
        }
        for (method, base64) in [("brotli", BROTLI), ("zstd", ZSTD)] {
            let whole = STANDARD.decode(base64).unwrap();
            for length in 0..whole.len() {
                let cut = inflate(&whole[..length], method);
                assert!(matches!(cut, Err(Problem::Compressed(_))), "{method} {length} {cut:?}");
            }
        }
        assert!(matches!(inflate(b"", "snappy"), Err(Problem::Compression(_))));
    }

    #[test]
    fn a_bomb_is_one_error_and_takes_no_memory() {
        // 64 MiB of zeros. The others have their bound from the same place, and are tried with a smaller one.
        let brotli = STANDARD.decode(BROTLI_BOMB).unwrap();
        assert_eq!(inflate(&brotli, "brotli"), Err(Problem::TooLong));
        let zeros = vec![0; 1 << 20];
        let inflate = |body: &[u8], method| {
            let whole = inflate_within(zeros.len(), body, method);
            assert!(whole.unwrap() == zeros, "{method}");
            inflate_within(zeros.len() - 1, body, method)
        };
        let zlib = miniz_oxide::deflate::compress_to_vec_zlib(&zeros, 1);
        assert_eq!(inflate(&zlib, "zlib"), Err(Problem::TooLong));
        let mut bz2 = Vec::new();
        bzip2::read::BzEncoder::new(&*zeros, bzip2::Compression::fast())
            .read_to_end(&mut bz2)
            .unwrap();
        assert_eq!(inflate(&bz2, "bzip2"), Err(Problem::TooLong));
        let mut xz = Vec::new();
        lzma_rs::xz_compress(&mut BufReader::new(&*zeros), &mut xz).unwrap();
        assert_eq!(inflate(&xz, "xz"), Err(Problem::TooLong));
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let zstd = ruzstd::encoding::compress_to_vec(&*zeros, level);
        assert_eq!(inflate(&zstd, "zstd"), Err(Problem::TooLong));
    }

    const ZLIB: &str = "eJyLjlZKSlKK1VGortVRyCvNyYkFADOZBcQ=";
    const BZ2: &str =
        "QlpoOTFBWSZTWfjnAasAAAOTgFAEAAoQBQIKIAAxANNNBDIDQWqesi8olah3i7kinChIfHOA1YA=";
    const BROTLI: &str = "iwiAW1siYmIiXSwge30sIG51bGxdAw==";
    const ZSTD: &str = "KLUv/SASkQAAW1siYmIiXSwge30sIG51bGxd";
    const BROTLI_BOMB: &str = "y///P/gnAOKxQCD3/o///3/wTwDEYRGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/Nw==";
    const LZMA: &str = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQARW1siYmIiXSwge30sIG51bGxdAAAAUdzEKVr0Pu0AASoSSwhUvB+2830BAAAAAARZWg==";
}
