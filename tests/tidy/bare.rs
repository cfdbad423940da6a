//! A file's code without words: without its comments, its strings and its characters.

use super::Source;

/// The product of a file, each comment, string and character being one space.
pub(super) fn bare(file: &Source) -> String {
    let product = file.product().last().map_or(0, |(line, _)| *line);
    let lines: String = file.text.split_inclusive('\n').take(product).collect();
    let (mut code, mut rest) = (String::new(), lines.as_str());
    while let Some(first) = rest.chars().next() {
        let words = length(rest, code.chars().next_back());
        code.push(if words == 0 { first } else { ' ' });
        rest = &rest[words.max(first.len_utf8())..];
    }
    code
}

/// The length of the comment, string or character that a text begins with. 0: it begins with none.
fn length(text: &str, before: Option<char>) -> usize {
    let up_to = |from: usize, end: &str| match text[from..].find(end) {
        Some(at) => from + at + end.len(),
        None => text.len(),
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return up_to(2, "*/");
    }
    if let Some(raw) = text.strip_prefix('r').filter(|_| before.is_none_or(begins_a_literal)) {
        let string = raw.trim_start_matches('#');
        let hashes = raw.len() - string.len();
        if string.starts_with('"') {
            return up_to(hashes + 2, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    let mut chars = text.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('"'), ..) => quoted(text),
        // Others are lifetimes.
        (Some('\''), Some('\\'), _) | (Some('\''), _, Some('\'')) => quoted(text),
        _ => 0,
    }
}

fn begins_a_literal(before: char) -> bool {
    before == 'b' || !(before.is_alphanumeric() || before == '_')
}

/// The length of what stands between two of the sign that a text begins with.
fn quoted(text: &str) -> usize {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    while let Some((at, char)) = chars.next() {
        if char == '\\' {
            chars.next();
        } else if Some(char) == quote {
            return at + 1;
        }
    }
    text.len()
}

#[test]
fn words_are_left_out() {
    let text = concat!(
        "a(\"b \\\" // c\", r#\"d \" e\"#, b'\\'', '\"', b\"f\"); // g \"\n",
        "h::<'i>(/* j\n */ 'k, attr\"l\"); /// m'\nn\n",
    );
    let file = Source { path: "src/x.rs".into(), module: "x".into(), text: text.into() };
    let code = bare(&file);
    let left = code.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(left, "a( , , b , , b ); h::<'i>( 'k, attr ); n");
}
