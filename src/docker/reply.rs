//! Answers of the engine: what its JSON and its refusals mean. Pure.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::error::{AnswerError, Call, DockerError};

/// The longest answer that is read. A list of ten thousand containers has about 10 MB.
pub(super) const MOST_ANSWER: usize = 32 << 20;

/// How much of a refusal is read. Runtimes put their whole log into it.
pub(super) const MOST_REFUSAL: usize = 64 << 10;

/// How much of a refusal that is not the engine's JSON is shown; a proxy sends whole pages.
const MOST_SHOWN: usize = 300;

/// Reads the JSON of an answer.
pub(super) fn json<T: DeserializeOwned>(call: &Call, body: &[u8]) -> Result<T, DockerError> {
    serde_json::from_slice(body).map_err(|error| {
        let source = if error.is_eof() { AnswerError::Truncated } else { AnswerError::Json(error) };
        DockerError::Answer { call: call.clone(), source }
    })
}

/// Takes `null` for an empty value, as Go writes empty lists and maps.
pub(super) fn nullable<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Makes the error of an answer whose status is not a good one.
pub(super) fn refusal(call: &Call, status: u16, body: &[u8]) -> DockerError {
    DockerError::Engine { call: call.clone(), status, message: message(body) }
}

/// What an answer without a good status says: the engine's `message`, or the text as it is.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    if let Ok(Refusal { message }) = serde_json::from_slice(body) {
        return printable(&message, MOST_REFUSAL);
    }
    let shown = printable(&String::from_utf8_lossy(body), MOST_SHOWN);
    if shown.is_empty() { "no message".to_owned() } else { shown }
}

/// What the engine says beside an answer, when it says something.
pub(super) fn remark(text: &str) -> Option<String> {
    Some(printable(text, MOST_REFUSAL)).filter(|text| !text.is_empty())
}

/// Text of the engine on one line: control characters would write on the user's terminal.
pub(super) fn printable(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
        if shown.len() > most {
            let end = (0..=most).rev().find(|&at| shown.is_char_boundary(at)).unwrap_or(0);
            shown.truncate(end);
            shown.push('…');
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call { method: "POST", path: "/containers/create".to_owned() }
    }

    #[test]
    fn a_refusal_keeps_status_message_and_endpoint() {
        let error = refusal(&call(), 409, br#"{"message":"Conflict. The name is in use"}"#);
        assert_eq!(
            error.to_string(),
            "the engine refused POST /containers/create: Conflict. The name is in use (status 409)"
        );
        assert!(error.is_conflict());
    }

    #[test]
    fn podman_says_more_and_only_its_message_is_kept() {
        let body = br#"{"cause":"no such container","message":"no container x","response":404}"#;
        assert!(refusal(&call(), 404, body).to_string().contains(": no container x (status 404)"));
    }

    #[test]
    fn a_refusal_that_is_not_json_is_shown_as_it_is_but_short_and_on_one_line() {
        let page = format!("<html>\r\n\x1b[2J502 Bad Gateway{}", " x".repeat(10_000));
        let shown = message(page.as_bytes());
        assert!(shown.starts_with("<html> [2J502 Bad Gateway x"), "{shown}");
        assert!(shown.len() < 320 && shown.ends_with('…'), "{}", shown.len());
        assert_eq!(message(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(message(b" \n"), "no message");
        assert_eq!(message("é".repeat(400).as_bytes()).chars().last(), Some('…'));
    }

    #[test]
    fn truncated_json_is_told_from_wrong_json() {
        let error = json::<Vec<u32>>(&call(), b"[1, 2").unwrap_err();
        assert!(matches!(error, DockerError::Answer { source: AnswerError::Truncated, .. }));
        let error = json::<Vec<u32>>(&call(), b"{}").unwrap_err();
        assert!(matches!(error, DockerError::Answer { source: AnswerError::Json(_), .. }));
        assert!(error.to_string().contains("POST /containers/create"));
    }
}
