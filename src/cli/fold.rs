//! The manual on a terminal that is narrower than its lines.
//!
//! Paragraphs and lists are broken anew between words. A table that is too wide is shown row by row: the first cell,
//! and below it each other one behind its column's name. Code stays as it is.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// The least that a line is broken to, however narrow the terminal.
const LEAST: usize = 40;

/// A chapter in Markdown, in lines of at most so many columns.
pub(super) fn fold(text: &str, columns: usize) -> String {
    let columns = columns.max(LEAST);
    let mut folded = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            folded += &format!("{line}\n");
            for line in lines.by_ref() {
                folded += &format!("{line}\n");
                if line.starts_with("```") {
                    break;
                }
            }
        } else if line.starts_with('|') {
            let mut table = vec![line];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                table.push(row);
            }
            folded += &fold_table(&table, columns);
        } else if line.is_empty() || line.starts_with('#') {
            folded += &format!("{line}\n");
        } else {
            let mut paragraph = line.to_owned();
            while let Some(next) = lines.next_if(|next| goes_on(next)) {
                paragraph = format!("{paragraph} {}", next.trim_start());
            }
            let indent = mark(&paragraph);
            folded += &words(&paragraph, "", &" ".repeat(indent), columns);
        }
    }
    folded
}

/// Whether a line belongs to the paragraph before it.
fn goes_on(line: &str) -> bool {
    let begins_something =
        line.starts_with(['|', '#']) || line.starts_with("```") || mark(line) > 0;
    !line.is_empty() && !begins_something
}

/// How long the mark is with which an item of a list begins: `- `, `1. `.
fn mark(line: &str) -> usize {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    match () {
        () if line.starts_with("- ") => 2,
        () if number.len() < line.len() && number.starts_with(". ") => {
            line.len() - number.len() + 2
        }
        () => 0,
    }
}

/// The words of a text, in lines. The first begins with one string, the others with another.
fn words(text: &str, first: &str, others: &str, columns: usize) -> String {
    let options = Options::new(columns)
        .initial_indent(first)
        .subsequent_indent(others)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::fill(text, options) + "\n"
}

fn fold_table(table: &[&str], columns: usize) -> String {
    if table.iter().all(|row| width(row) <= columns) {
        return table.iter().map(|row| format!("{row}\n")).collect();
    }
    let names = table.first().map(|row| cells(row)).unwrap_or_default();
    let mut folded = String::new();
    // The row of names, and the line below it.
    for row in table.iter().skip(2) {
        let named = names.iter().zip(cells(row)).enumerate();
        for (at, (name, cell)) in named.filter(|(_, (_, cell))| !cell.is_empty()) {
            folded += &match at {
                0 => words(&cell, "", "  ", columns),
                _ => words(&cell, &format!("    {name}: "), "      ", columns),
            };
        }
    }
    folded
}

/// The cells of a row; `\|` is no end of one.
fn cells(row: &str) -> Vec<String> {
    const BAR: &str = "\u{0}";
    let row = row.replace("\\|", BAR);
    let row = row.trim().trim_matches('|');
    row.split('|').map(|cell| cell.trim().replace(BAR, "|")).collect()
}

/// The manual has no character that is two columns wide.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manual::CHAPTERS;

    const TEXT: &str = "\
Title: words of a title

A paragraph that is longer than forty columns, with `code in it` and
`more of it` below.

- An item that is longer than forty columns, too.
- Another.

12. A number before a line that is longer than forty columns.

| name | what it says |
|---|---|
| `a` | short |

| name | what it says | default |
|---|---|---|
| `a \\| b` | more than there is room for in a row of forty columns | `1` |
| `c` | nothing | |

```text
a line of code that is longer than forty columns stays
```
";

    const FOLDED: &str = "\
Title: words of a title

A paragraph that is longer than forty
columns, with `code in it` and `more of
it` below.

- An item that is longer than forty
  columns, too.
- Another.

12. A number before a line that is
    longer than forty columns.

| name | what it says |
|---|---|
| `a` | short |

`a | b`
    what it says: more than there is
      room for in a row of forty columns
    default: `1`
`c`
    what it says: nothing

```text
a line of code that is longer than forty columns stays
```
";

    #[test]
    fn what_is_too_long_is_broken_between_words() {
        assert_eq!(fold(TEXT, 40), FOLDED);
        assert_eq!(fold(TEXT, 7), FOLDED);
    }

    #[test]
    fn no_chapter_has_a_line_that_a_terminal_would_break() {
        for (name, _, text) in CHAPTERS {
            let mut is_code = false;
            for line in fold(text, 80).lines() {
                is_code ^= line.starts_with("```");
                // One word may be as long: the name of a test, a URL.
                let is_word =
                    line.trim().rsplit(": ").next().is_some_and(|word| !word.contains(' '));
                let is_short = line.chars().count() <= 80;
                assert!(
                    is_code || is_short || is_word || line.starts_with("<!--"),
                    "{name}: {line}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_lost() {
        let in_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (name, _, text) in CHAPTERS {
            for columns in [40, 80, 120] {
                let folded = in_one_line(&fold(text, columns));
                let below = text.lines().skip(1).chain([""]);
                for (line, below) in text.lines().zip(below) {
                    // The names of columns stand elsewhere, and that of the first one nowhere.
                    if line.starts_with("|--") || below.starts_with("|--") {
                        continue;
                    }
                    let parts = match line.starts_with('|') {
                        true => cells(line),
                        false => vec![line.to_owned()],
                    };
                    for part in parts.iter().map(|part| in_one_line(part)) {
                        // A table that is as wide as it was has `\\|` in it still.
                        let is_there = folded.contains(&part) || part.contains('|');
                        assert!(is_there, "{name}, {columns}: {part}");
                    }
                }
            }
        }
    }
}
