//! What tells one version of a file from another (RFC 9110, 8.8). Pure.

/// What a response says of the version that its body belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator(Box<Said>);

/// In a box: most requests have none, and are moved about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    /// A strong entity tag, with its quotes.
    strong: Option<String>,
    /// A weak one: the same tag may stand for other bytes, another tag stands for another version.
    weak: Option<String>,
    /// `Last-Modified`, as it was sent.
    modified: Option<String>,
}

impl Validator {
    /// Of the fields `ETag` and `Last-Modified`; none if neither says anything.
    pub(crate) fn of(tag: Option<String>, modified: Option<String>) -> Option<Self> {
        let (strong, weak) = match tag {
            Some(tag) if is_quoted(&tag) => (Some(tag), None),
            Some(tag) => {
                (None, Some(tag).filter(|tag| tag.strip_prefix("W/").is_some_and(is_quoted)))
            }
            None => (None, None),
        };
        let modified = modified.filter(|date| is_plain(date));
        let says_something = strong.is_some() || weak.is_some() || modified.is_some();
        says_something.then(|| Self(Box::new(Said { strong, weak, modified })))
    }

    /// A strong entity tag alone, with its quotes.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self(Box::new(Said { strong: Some(tag.into()), weak: None, modified: None }))
    }

    /// The value of `If-Range`: a strong tag, or else the time; a weak tag may not stand there.
    pub(crate) fn if_range(&self) -> Option<&str> {
        self.0.strong.as_deref().or(self.0.modified.as_deref())
    }

    /// Whether the two cannot be of one version: something that both say differs.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let differ = |one: &Option<String>, other: &Option<String>| {
            one.is_some() && other.is_some() && one != other
        };
        differ(&self.0.strong, &other.0.strong)
            || differ(&self.0.weak, &other.0.weak)
            || differ(&self.0.modified, &other.0.modified)
    }
}

fn is_quoted(tag: &str) -> bool {
    tag.len() >= 2
        && tag.starts_with('"')
        && tag.ends_with('"')
        && tag.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_plain(date: &str) -> bool {
    !date.is_empty() && date.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Fri, 27 Nov 2026 10:00:00 GMT";

    fn of(tag: Option<&str>, modified: Option<&str>) -> Option<Validator> {
        Validator::of(tag.map(str::to_owned), modified.map(str::to_owned))
    }

    #[test]
    fn a_range_is_asked_for_by_a_strong_tag_or_else_by_the_time() {
        for (tag, modified, expected) in [
            (Some("\"abc-1\""), Some(DATE), Some("\"abc-1\"")),
            (Some("W/\"abc\""), Some(DATE), Some(DATE)),
            (Some("W/\"abc\""), None, None),
            (None, Some(DATE), Some(DATE)),
        ] {
            let found = of(tag, modified).unwrap();
            assert_eq!(found.if_range(), expected, "{tag:?}");
        }
        for tag in ["abc", "\"", "W/", "W/abc"] {
            assert_eq!(of(Some(tag), None), None, "{tag}");
        }
    }

    #[test]
    fn versions_differ_when_something_that_both_say_does() {
        let first = of(Some("W/\"1\""), Some(DATE)).unwrap();
        assert!(!first.differs(&first));
        assert!(first.differs(&of(Some("W/\"2\""), Some(DATE)).unwrap()));
        assert!(first.differs(&of(None, Some("Fri, 27 Nov 2026 10:00:01 GMT")).unwrap()));
        assert!(!first.differs(&of(Some("\"x\""), None).unwrap()));
    }
}
