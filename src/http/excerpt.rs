//! What an error's body says, in one line for people. Pure.

use serde_json::Value;

/// The message in the body of an error, when there is one: `message` of a JSON object (Girder),
/// `<Message>` of XML (S3), `<title>` of HTML, or short plain text. Bounded, without control
/// characters. What is secret goes out of it before it is cut: a part of a token would not be known for one.
pub(crate) fn message(body: &[u8], redact: impl Fn(&str) -> String) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let found = match text.as_bytes().first()? {
        b'{' => json(text)?,
        b'<' => element(text, "message").or_else(|| element(text, "title"))?.to_owned(),
        _ => text.lines().next()?.to_owned(),
    };
    let line = one_line(&redact(&found));
    (!line.is_empty()).then_some(line)
}

/// The string under `message` or a like name.
fn json(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    ["message", "error", "detail"]
        .iter()
        .find_map(|name| value.get(name)?.as_str())
        .map(str::to_owned)
}

/// What is in the first element of that name, whatever its case.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    // ASCII only, so that places in the copy are places in the text.
    let lower = text.to_ascii_lowercase();
    let start = lower.find(&format!("<{name}>"))? + name.len() + 2;
    let length = lower.get(start..)?.find(&format!("</{name}>"))?;
    text.get(start..start + length)
}

/// One line of bounded length.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_CHARS {
        return line;
    }
    line.chars().take(MAX_CHARS).chain(['…']).collect()
}

/// A message longer than this is not one.
const MAX_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Option<String> {
        message(body.as_bytes(), str::to_owned)
    }

    #[test]
    fn the_message_of_what_servers_send_is_found() {
        for (body, expected) in [
            (r#"{"message": "Invalid ObjectId: x", "type": "rest"}"#, "Invalid ObjectId: x"),
            (r#"{"error": "denied"}"#, "denied"),
            ("<?xml version=\"1.0\"?><Error><Code>A</Code><Message>Expired</Message>", "Expired"),
            ("<html><head><title>404 Not Found</title></head></html>", "404 Not Found"),
            ("<HTML><TITLE>Caf\u{e9}\n K\u{130}</TITLE>", "Caf\u{e9} K\u{130}"),
            ("not today\nnor tomorrow", "not today"),
            ("a\tb\u{1b}[31mc", "a b [31mc"),
        ] {
            assert_eq!(said(body).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn what_is_no_message_is_left_out() {
        for body in ["", " \n", "{", "{}", r#"{"message": 5}"#, "<html>", "<title>x", "<a></title>"]
        {
            assert_eq!(said(body), None, "{body}");
        }
        assert_eq!(message(b"\x1b\x00", str::to_owned), None);
    }

    #[test]
    fn a_secret_is_taken_out_before_the_message_is_cut() {
        let body = format!("{} t0ken-t0ken-t0ken", "x".repeat(MAX_CHARS - 10));
        let redact = |text: &str| text.replace("t0ken-t0ken-t0ken", "…");
        let said = message(body.as_bytes(), redact).unwrap();
        assert!(!said.contains("t0ken") && said.ends_with(" …"), "{said}");
    }

    #[test]
    fn a_message_is_bounded() {
        assert_eq!(said(&"\u{e9}".repeat(9000)).unwrap().chars().count(), MAX_CHARS + 1);
    }
}
