//! Zips as Girder streams them. A test holds the bytes against some that Girder's own code wrote.

/// The zip of files by their paths.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (path, content) in files {
        let (at, crc) = (u32::try_from(bytes.len()).unwrap(), crc32(content));
        let (length, path) = (u32::try_from(content.len()).unwrap(), path.as_bytes());
        // Version, flags, method, time, date.
        let begin = [&[20, 0, 8, 0, 0, 0][..], &TIME].concat();
        bytes.extend([b"PK\x03\x04", &begin[..], &[0; 12], &name(path), &[0, 0], path].concat());
        bytes.extend_from_slice(content);
        let behind = [crc, length, length].map(u32::to_le_bytes).concat();
        bytes.extend([b"PK\x07\x08", &behind[..]].concat());
        let unix = [&[20, 3][..], &begin, &behind, &name(path), &[0; 8]].concat();
        let mode = [&0o100_644_u32.to_le_bytes()[..2], &at.to_le_bytes(), path].concat();
        directory.extend([b"PK\x01\x02", &unix[..], &[0, 0], &mode].concat());
    }
    let (at, length) = (bytes.len() as u64, directory.len() as u64);
    let count = files.len() as u64;
    bytes.extend(directory);
    if count >= 1 << 16 {
        let long = [count, count, length, at].map(u64::to_le_bytes).concat();
        let end = (at + length).to_le_bytes();
        let versions = [45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([b"PK\x06\x06", &44_u64.to_le_bytes()[..], &versions, &long].concat());
        bytes.extend([b"PK\x06\x07", &[0; 4][..], &end, &1_u32.to_le_bytes()].concat());
    }
    let told = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
    let place = [length, at].map(|number| u32::try_from(number).unwrap().to_le_bytes()).concat();
    bytes.extend([b"PK\x05\x06", &[0; 4][..], &told, &told, &place, &[0, 0]].concat());
    bytes
}

fn name(path: &[u8]) -> [u8; 2] {
    u16::try_from(path.len()).unwrap().to_le_bytes()
}

/// Bit for bit, as it is defined.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// 11 o'clock on the day of the bytes that Girder wrote.
const TIME: [u8; 4] = [0, 0x58, 0x7c, 0x5d];
