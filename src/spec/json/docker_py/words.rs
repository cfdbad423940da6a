//! A command in one string, split as a POSIX shell splits words: docker-py's `shlex.split`.

use crate::spec::error::Problem;
use crate::spec::json::Fault;
use crate::spec::json::node::Node;

/// The words of a command: a list as it is, a string split.
pub(in crate::spec) fn command(node: &Node) -> Result<Vec<String>, Fault> {
    let Some(text) = node.as_str() else {
        return Ok(node.items().iter().filter_map(Node::as_str).map(str::to_owned).collect());
    };
    split(text).ok_or_else(|| {
        let expected = "a command whose quotes are closed and that ends in no backslash".to_owned();
        Fault::new(node.at, Problem::Unexpected { found: node.describe(false), expected })
    })
}

/// Splits; `None` if a quote is not closed, or nothing stands behind the last backslash.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let (inside, rest) = chars.as_str().split_once('\'')?;
                word.get_or_insert_default().push_str(inside);
                chars = rest.chars();
            }
            '"' => quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next()?),
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Some(words)
}

/// Reads to the closing quote. A backslash escapes a quote and itself, and stays before others.
fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '"' => return Some(()),
            '\\' => match chars.next()? {
                escaped @ ('"' | '\\') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            char => word.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_pythons() {
        // Right-hand sides: CPython 3.11, shlex.split(left).
        for (text, words) in [
            ("/bin/sh -c \"x y\"", vec!["/bin/sh", "-c", "x y"]),
            ("", vec![]),
            (" a\t b\n", vec!["a", "b"]),
            ("a'b c'd", vec!["ab cd"]),
            ("'' \"\"", vec!["", ""]),
            (r#"a\ b "c\"d\\e\f" 'g\h'"#, vec!["a b", r#"c"d\e\f"#, r"g\h"]),
            ("a#b # c", vec!["a#b", "#", "c"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn what_is_left_open_is_refused() {
        for text in ["'a", "\"a", "a\\", "\"a\\", "'", "a'b'c'"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
