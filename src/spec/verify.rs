//! Whether what is fetched from Girder is held against its record.

/// What a file that is put into a volume is held against, beside its length, which always has to be right.
///
/// A sum costs a core for as long as the file takes to come, and finds what no length does: a proxy that damages
/// bytes, a store whose disk does. Results are no better than what they were made from, so it is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verify {
    /// The SHA-512 in Girder's record, if the record has one.
    #[default]
    Always,
    /// Likewise, but for files of more than [`LARGE`](Self::LARGE) bytes: of those only the length.
    LargeOnlyByLength,
    /// Only the length.
    Never,
}

impl Verify {
    /// Bytes of the largest file that is not large.
    pub const LARGE: u64 = 64 * 1024 * 1024;

    /// What documents, options and the environment call each.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("always", Self::Always),
        ("large-only-by-length", Self::LargeOnlyByLength),
        ("never", Self::Never),
    ];

    /// The one of that name.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find_map(|(name, verify)| (name == word).then_some(verify))
    }

    /// What it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::LargeOnlyByLength => "large-only-by-length",
            Self::Never => "never",
        }
    }

    /// Whether a file of so many bytes is summed. One whose length Girder does not know is.
    pub(crate) fn sums(self, bytes: Option<u64>) -> bool {
        match self {
            Self::Always => true,
            Self::LargeOnlyByLength => bytes.is_none_or(|bytes| bytes <= Self::LARGE),
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_its_own() {
        for (word, verify) in Verify::WORDS {
            assert_eq!((Verify::named(word), verify.as_str()), (Some(verify), word));
        }
        assert_eq!(Verify::named("sometimes"), None);
    }

    #[test]
    fn large_files_alone_are_not_summed_if_the_job_says_so() {
        let sums = |verify: Verify| {
            [Some(0), Some(64 << 20), Some((64 << 20) + 1), None].map(|b| verify.sums(b))
        };
        assert_eq!(sums(Verify::Always), [true; 4]);
        assert_eq!(sums(Verify::LargeOnlyByLength), [true, true, false, true]);
        assert_eq!(sums(Verify::Never), [false; 4]);
    }
}
