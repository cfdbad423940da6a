//! What is said: an [`Answer`], and how its head is written.

use std::fs::File;

use serde_json::{Value, json};

use super::date::Date;
use super::tree::Status;

/// A status, header fields and a body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

/// The bytes of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Text(Vec<u8>),
    /// The bytes of a file from `start` to `end`, if it stays what it was.
    File {
        file: File,
        status: Status,
        start: u64,
        end: u64,
    },
}

/// How Girder classes an error.
#[derive(Debug, Clone, Copy)]
pub(super) enum ErrorType {
    Access,
    Internal,
    Rest,
    Validation,
}

impl Answer {
    /// 200 with a document.
    pub(super) fn json(document: &Value) -> Self {
        Self::document(200, document)
    }

    /// A page of a list, with the length of the whole.
    pub(super) fn list(page: Vec<Value>, total: usize) -> Self {
        let mut answer = Self::json(&Value::Array(page));
        answer.headers.push(("Girder-Total-Count", total.to_string()));
        answer
    }

    /// An error, as Girder's are.
    pub(super) fn error(status: u16, kind: ErrorType, message: &str) -> Self {
        Self::document(status, &json!({"message": message, "type": kind.name()}))
    }

    /// Any status with a document.
    pub(super) fn document(status: u16, document: &Value) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body: Body::Text(document.to_string().into_bytes()) }
    }

    /// The head, as it is sent.
    pub(super) fn head(&self, keep_alive: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let ours = [
            ("Content-Length", self.body.length().to_string()),
            ("Connection", connection.to_owned()),
            ("Date", Date::now().http()),
        ];
        for (name, value) in self.headers.iter().chain(&ours) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The head, and the body if it is text.
    pub(super) fn head_and_text(&self, keep_alive: bool) -> Vec<u8> {
        let mut message = self.head(keep_alive);
        if let Body::Text(text) = &self.body {
            message.extend(text);
        }
        message
    }
}

impl Body {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File { start, end, .. } => end - start,
        }
    }
}

impl ErrorType {
    fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Internal => "internal",
            Self::Rest => "rest",
            Self::Validation => "validation",
        }
    }
}

/// The value of `Content-Disposition` for a file's name: RFC 6266. What is not plain in the name is
/// written twice, `filename` for old programs and `filename*`, as Girder does.
pub(super) fn disposition(kind: &str, name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|char| if char.is_ascii() && !char.is_ascii_control() { char } else { '_' })
        .collect();
    let quoted = plain.replace('\\', "\\\\").replace('"', "\\\"");
    if quoted == name {
        format!("{kind}; filename=\"{name}\"")
    } else {
        format!("{kind}; filename=\"{quoted}\"; filename*=UTF-8''{}", percent_encoded(name))
    }
}

/// Everything but letters, digits and `-._~` as `%XX`.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_girder_quotes_them() {
        assert_eq!(disposition("inline", "a b.txt"), "inline; filename=\"a b.txt\"");
        assert_eq!(
            disposition("attachment", "a \"b\" é.txt"),
            "attachment; filename=\"a \\\"b\\\" _.txt\"; filename*=UTF-8''a%20%22b%22%20%C3%A9.txt"
        );
    }

    #[test]
    fn a_name_cannot_add_a_header_field() {
        let value = disposition("attachment", "a\r\nSet-Cookie: b");
        assert!(!value.contains(['\r', '\n']), "{value}");
        assert!(value.ends_with("filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b"), "{value}");
    }

    #[test]
    fn a_head_says_how_long_the_body_is_and_whether_the_connection_stays() {
        let answer = Answer::error(404, ErrorType::Rest, "no");
        let head = String::from_utf8(answer.head(false)).unwrap();
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"));
        assert!(head.contains("\r\nContent-Length: 30\r\nConnection: close\r\nDate: "), "{head}");
        assert!(head.ends_with(" GMT\r\n\r\n"));
    }
}
