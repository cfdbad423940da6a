//! Patterns of remote control, by which a command names the nodes that it is for: `kombu.matcher`.
//!
//! kombu has two: `glob` is Python's `fnmatch`, `pcre` its `re.match`, which begins at the name's start.
//! Lookaround and references back are not understood; such a pattern is for nobody.

use regex_lite::{Regex, RegexBuilder};

/// Whether a node is named by a pattern; `None` if it cannot be said.
pub(super) fn matches(matcher: &str, pattern: &str, node: &str) -> Option<bool> {
    let expression = match matcher {
        _ if pattern.len() > LONGEST => return None,
        "glob" => glob(pattern),
        "pcre" => format!("^(?:{pattern})"),
        _ => return None,
    };
    compiled(&expression).map(|expression| expression.is_match(node))
}

fn compiled(expression: &str) -> Option<Regex> {
    RegexBuilder::new(expression).size_limit(LARGEST).build().ok()
}

/// A shell's pattern as a regular expression.
fn glob(pattern: &str) -> String {
    let mut expression = "^(?s:".to_owned();
    let mut rest = pattern;
    while let Some(char) = rest.chars().next() {
        let mut taken = char.len_utf8();
        match char {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => match class(rest) {
                Some((class, length)) => {
                    expression.push_str(&class);
                    taken = length;
                }
                // One that is not closed stands for itself.
                None => expression.push_str("\\["),
            },
            _ => expression.push_str(&regex_lite::escape(rest.get(..taken).unwrap_or_default())),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    expression + ")$"
}

/// `[abc]`, `[!a-z]` at the beginning of a text as a regular expression has it, and its length.
fn class(text: &str) -> Option<(String, usize)> {
    let inner = text.strip_prefix('[')?;
    let (not, inner) = match inner.strip_prefix('!') {
        Some(inner) => ("^", inner),
        None => ("", inner),
    };
    // A bracket right at the beginning is a member.
    let first = inner.chars().next()?.len_utf8();
    let length = first + inner.get(first..)?.find(']')?;
    let mut members = String::new();
    for char in inner.get(..length)?.chars() {
        if matches!(char, '\\' | '[' | ']' | '^' | '&' | '~') {
            members.push('\\');
        }
        members.push(char);
    }
    Some((format!("[{not}{members}]"), 1 + not.len() + length + 1))
}

/// Longer patterns name no nodes.
const LONGEST: usize = 1000;

/// Bytes of a compiled one.
const LARGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_what_pythons_fnmatch_says() {
        for (pattern, matched) in [
            ("*", true),
            ("a@*", true),
            ("?@h.x", true),
            ("*@x", false),
            ("a", false),
            ("a@h.x**", true),
            ("a@h?x", true),
            ("a@h.[xyz]", true),
            ("a@h.[!xyz]", false),
            ("[a-c]@h.x", true),
            ("[!a-c]@h.x", false),
            ("[]a]@h.x", true),
            ("a@h.[x", false),
            ("a@h[.]x", true),
            ("A@h.x", false),
            ("", false),
        ] {
            assert_eq!(matches("glob", pattern, "a@h.x"), Some(matched), "{pattern}");
        }
        assert_eq!(matches("glob", "a[b", "a[b"), Some(true));
        assert_eq!(matches("glob", "[^]@h", "^@h"), Some(true));
        assert_eq!(matches("glob", "a\\b", "a\\b"), Some(true));
    }

    #[test]
    fn an_expression_begins_at_the_names_start_as_pythons_match_does() {
        for (pattern, matched) in [
            ("a", true),
            (".*@h", true),
            ("h", false),
            ("b|a@", true),
            ("a@h\\.x$", true),
            ("(?i)A@H", true),
        ] {
            assert_eq!(matches("pcre", pattern, "a@h.x"), Some(matched), "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_for_nobody() {
        assert_eq!(matches("pcre", "(", "a"), None);
        assert_eq!(matches("pcre", "(?=a)a", "a"), None);
        assert_eq!(matches("pcre", &"a".repeat(2000), "a"), None);
        assert_eq!(matches("pcre", "(((a{100}){100}){100})", "a"), None);
        assert_eq!(matches("soundex", "a", "a"), None);
    }
}
