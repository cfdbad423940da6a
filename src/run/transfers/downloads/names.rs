//! Names of Girder's, made safe for a folder of the host. Pure.
//!
//! Girder lets a name be anything, and lets two things in one folder have the same.

use std::collections::HashSet;

/// The names that one folder has.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
}

/// A name that can be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// Whether it is another than Girder's.
    pub(crate) is_changed: bool,
}

impl Names {
    /// Takes a name that nothing else in the folder has.
    pub(crate) fn take(&mut self, given: &str) -> Named {
        let safe = safe(given);
        let mut name = safe.clone();
        let mut count = 0_u64;
        while !self.taken.insert(name.clone()) {
            count += 1;
            name = numbered(&safe, count);
        }
        Named { is_changed: name != given, name }
    }
}

/// A name that is one component of a path, and no special one.
pub(super) fn safe(given: &str) -> String {
    let mut name: String =
        given.chars().map(|char| if matches!(char, '/' | '\0') { '_' } else { char }).collect();
    // As Girder's own client does. What begins like our temporary files is no file of Girder's.
    if matches!(name.as_str(), "" | "." | "..") || name.starts_with(".gantline-") {
        name.insert(0, '_');
    }
    shortened(&name, "")
}

/// `data.tar (2)` would hide the ending: it goes before the dot.
fn numbered(name: &str, count: u64) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= MAX_ENDING => {
            shortened(stem, &format!(" ({count}).{ending}"))
        }
        _ => shortened(name, &format!(" ({count})")),
    }
}

/// As much of a name as fits before `ending`; the name's own ending stays.
fn shortened(name: &str, ending: &str) -> String {
    if name.len() + ending.len() <= NAME_MAX {
        return format!("{name}{ending}");
    }
    if ending.is_empty()
        && let Some((stem, own)) = name.rsplit_once('.')
        && (1..=MAX_ENDING).contains(&own.len())
    {
        return shortened(stem, &format!(".{own}"));
    }
    let most = NAME_MAX.saturating_sub(ending.len()).min(name.len());
    let begin = (0..=most).rev().find_map(|end| name.get(..end)).unwrap_or_default();
    format!("{begin}{ending}")
}

/// Bytes of a file's name, on every usual file system.
const NAME_MAX: usize = 255;

/// Bytes behind the last dot that are an ending.
const MAX_ENDING: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        for (given, safe_name) in [
            ("a.txt", "a.txt"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("/etc", "_etc"),
            ("..", "_.."),
            (".", "_."),
            ("", "_"),
            ("a\0b", "a_b"),
            ("ä b\n", "ä b\n"),
            (".gantline-1", "_.gantline-1"),
        ] {
            assert_eq!(safe(given), safe_name);
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number_before_its_ending() {
        let mut names = Names::default();
        let mut take = |given| {
            let named = names.take(given);
            (named.name, named.is_changed)
        };
        assert_eq!(take("a.txt"), ("a.txt".to_owned(), false));
        assert_eq!(take("a.txt"), ("a (1).txt".to_owned(), true));
        assert_eq!(take("a.txt"), ("a (2).txt".to_owned(), true));
        assert_eq!(take("a (1).txt"), ("a (1) (1).txt".to_owned(), true));
        assert_eq!(take(".hidden"), (".hidden".to_owned(), false));
        assert_eq!(take(".hidden"), (".hidden (1)".to_owned(), true));
        assert_eq!(take("x/y"), ("x_y".to_owned(), true));
        assert_eq!(take("x_y"), ("x_y (1)".to_owned(), true));
    }

    #[test]
    fn a_name_that_is_too_long_keeps_its_ending() {
        let long = format!("{}.txt", "ä".repeat(200));
        let mut names = Names::default();
        let first = names.take(&long).name;
        assert!(first.len() <= 255 && first.ends_with("ä.txt"), "{first}");
        let second = names.take(&long).name;
        assert!(second.len() <= 255 && second.ends_with("ä (1).txt"), "{second}");
    }
}
