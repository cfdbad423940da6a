//! Whether what is fetched from Girder is held against its record.

/// What is held against the SHA-512 in Girder's record, if the record has one, beside its length, which always has
/// to be right.
///
/// A sum costs a core for as long as the file takes to come, and finds what no length does: a proxy that damages
/// bytes, a store whose disk does. Results are no better than what they were made from, so the default sums
/// whatever it can without making it slower: a stream that the kernel moves from its socket into a pipe is not seen by
/// us, and would move at a third of its rate if it were; and the records of files that come in a folder's zip are not
/// asked for if the first has no sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verify {
    /// Files that are put into volumes, and streams. No folder comes in a zip.
    Always,
    /// Files that are put into volumes, and streams whose bytes pass through this process anyway: those of an
    /// `https` URL, and those that come so far that several connections may fetch them. One that the kernel moves is read a second time, and summed from then on, if it broke off and the
    /// server does not say whether the file is still the same.
    #[default]
    UnlessSpliced,
    /// Files and streams of at most [`LARGE`](Self::LARGE) bytes. Of larger ones only the length.
    LargeOnlyByLength,
    /// Only the length.
    Never,
}

impl Verify {
    /// Bytes of the largest file that is not large.
    pub const LARGE: u64 = 64 * 1024 * 1024;

    /// What documents, options and the environment call each.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("always", Self::Always),
        ("unless-spliced", Self::UnlessSpliced),
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
            Self::UnlessSpliced => "unless-spliced",
            Self::LargeOnlyByLength => "large-only-by-length",
            Self::Never => "never",
        }
    }

    /// Whether a file of so many bytes that is put into a volume is summed. One whose length Girder does not know is.
    pub(crate) fn sums(self, bytes: Option<u64>) -> bool {
        match self {
            Self::Always | Self::UnlessSpliced => true,
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
        assert_eq!(sums(Verify::UnlessSpliced), [true; 4]);
        assert_eq!(sums(Verify::LargeOnlyByLength), [true, true, false, true]);
        assert_eq!(sums(Verify::Never), [false; 4]);
    }
}
