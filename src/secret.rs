//! A value that is neither printed nor logged: a token, a key, a header's value.
//!
//! There is one such type. Whoever has a word of its own for it names it again: `girder::Token`,
//! `http::HeaderValue`.

use std::fmt;

/// A token, a key or a header's value: it is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the request that it belongs in.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A text without what is secret. Words of fewer than eight bytes are no secrets, and would make holes in ordinary
/// sentences.
pub(crate) fn without<'a>(secrets: impl IntoIterator<Item = &'a str>, text: &str) -> String {
    let mut secrets: Vec<&str> = secrets.into_iter().filter(|secret| secret.len() >= 8).collect();
    // One may be a part of another.
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_goes_out_of_a_text_the_longest_first() {
        let secrets = ["s3cret-s3cret", "s3cret-s3cret-longer", "short"];
        let text = "a s3cret-s3cret, s3cret-s3cret-longer and short";
        assert_eq!(without(secrets, text), "a …, … and short");
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("token")), "…");
    }
}
