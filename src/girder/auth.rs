//! Who we are to Girder.

use serde::Deserialize;

use super::GirderError;
/// A token of a session or a job.
pub use crate::secret::Secret as Token;
/// A key that a user has made for programs.
pub use crate::secret::Secret as ApiKey;

/// What is shown to Girder so that it gives what is asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// Nothing: only public files can be had.
    Anonymous,
    /// A token, sent with each request.
    Token(Token),
    /// A key, for which Girder gives a token once.
    ApiKey(ApiKey),
}

/// Checks what could not be sent, which is usually the line end of the file that it was in.
pub(super) fn check(what: &'static str, secret: &str) -> Result<(), GirderError> {
    if secret.is_empty() {
        return Err(GirderError::Secret { what, reason: "it is empty" });
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "it has spaces, line ends or other characters that it cannot have";
        return Err(GirderError::Secret { what, reason });
    }
    Ok(())
}

/// What `POST api_key/token` answers, as far as it is of use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) auth_token: SessionToken,
}

/// The token of a [`Session`].
#[derive(Deserialize)]
pub(super) struct SessionToken {
    pub(super) token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!(
            "{:?} {:?}",
            Credentials::Token(Token::new("s3cret")),
            Credentials::ApiKey(ApiKey::new("s3cret"))
        );
        assert_eq!(shown, "Token(…) ApiKey(…)");
    }

    #[test]
    fn a_secret_that_cannot_be_sent_is_refused_without_being_shown() {
        for secret in ["", "s3cret\n", "s3 cret", "s3cret\r\nX: y", "s3cret\u{e9}"] {
            let error = check("token", secret).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3"), "{error:?}");
        }
        check("token", "aB3_-.~").unwrap();
    }
}
