//! Ids that look like Girder's (24 hexadecimal digits) and are made of a path.
//!
//! An id is FNV-1a with 128 bits of the kind, a zero byte and the path in the folder, folded to 96 bits.
//! FNV is not made against people who look for collisions; who may choose names in the folder may already
//! replace each file in it. A collision is refused when the folder is read.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The name of a file, an item, a folder or the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(u128);

/// What an id is for: a file and its item have one path and two ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Collection,
    Folder,
    Item,
    File,
}

impl Id {
    /// The id of what is at the path in the folder.
    pub(super) fn of(kind: Kind, path: &Path) -> Self {
        let words: [&[u8]; 3] = [kind.name().as_bytes(), b"\0", path.as_os_str().as_bytes()];
        let hash = words
            .iter()
            .flat_map(|word| word.iter())
            .fold(FNV_OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(FNV_PRIME));
        Self((hash >> BITS) ^ (hash & MASK))
    }

    /// Reads 24 hexadecimal digits of either case, as Girder does.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u128::from_str_radix(text, 16).ok().filter(|_| digits).map(Self)
    }
}

impl Kind {
    /// Girder's `_modelType`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Folder => "folder",
            Self::Item => "item",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:024x}", self.0)
    }
}

/// <https://datatracker.ietf.org/doc/html/rfc9923>, for 128 bits.
const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = (1 << 88) + 0x13b;
const BITS: u32 = 96;
const MASK: u128 = (1 << BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_24_digits_and_is_the_same_in_every_version() {
        let id = Id::of(Kind::File, Path::new("a/b.bin"));
        assert_eq!(id.to_string(), "d6b94e18484848e3c9f2d817");
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_eq!(Id::parse(&id.to_string().to_uppercase()), Some(id));
    }

    #[test]
    fn kinds_and_paths_have_ids_of_their_own() {
        let of = |kind, path: &str| Id::of(kind, Path::new(path));
        let ids = [
            of(Kind::File, "a"),
            of(Kind::Item, "a"),
            of(Kind::Folder, "a"),
            of(Kind::File, "b"),
            of(Kind::File, ""),
            of(Kind::File, "ab"),
            of(Kind::File, "a/b"),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{at}");
        }
    }

    #[test]
    fn what_is_not_24_digits_is_no_id() {
        for text in
            ["", "xyz", "00000000000000000000000", "+00000000000000000000000", &"0".repeat(25)]
        {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
