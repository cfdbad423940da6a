//! Credential helpers: programs that keep logins.
//!
//! The protocol of github.com/docker/docker-credential-helpers: `docker-credential-NAME get` reads
//! the server on stdin and writes `{"ServerURL", "Username", "Secret"}` to stdout. It fails with a
//! message on stdout.

use std::ffi::OsString;
use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::super::login_error::LoginError;
use super::super::reply::printable;
use super::Login;

/// A program that keeps logins.
#[derive(Debug)]
pub(super) struct Helper {
    program: OsString,
}

impl Helper {
    /// The helper that the configuration calls `name`; it is looked for in `PATH`.
    pub(super) fn named(name: &str) -> Option<Self> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        name.bytes().all(word).then(|| Self { program: format!("docker-credential-{name}").into() })
    }

    /// Asks for a login. `None` is the helper's word for not having one.
    pub(super) async fn ask(
        &self,
        server: &str,
        limit: Duration,
    ) -> Result<Option<Login>, LoginError> {
        let (status, output) = match tokio::time::timeout(limit, self.run(server)).await {
            Ok(ended) => {
                ended.map_err(|source| LoginError::Run { helper: self.to_string(), source })?
            }
            Err(_) => {
                return Err(LoginError::TimedOut { helper: self.to_string(), after: limit });
            }
        };
        if status.success() {
            return answer(&output)
                .map(Some)
                .ok_or_else(|| LoginError::Answer { helper: self.to_string() });
        }
        let message = printable(&String::from_utf8_lossy(&output), MOST_MESSAGE);
        if message == NOT_FOUND {
            return Ok(None);
        }
        let message = if message.is_empty() { status.to_string() } else { message };
        Err(LoginError::Failed { helper: self.to_string(), message })
    }

    /// Runs the program; one that is given up is killed.
    async fn run(&self, server: &str) -> std::io::Result<(ExitStatus, Vec<u8>)> {
        let mut child = Command::new(&self.program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read has its reasons, and says them on stdout.
            let _ = stdin.write_all(server.as_bytes()).await;
        }
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MOST_OUTPUT).read_to_end(&mut output).await?;
        }
        Ok((child.wait().await?, output))
    }
}

impl fmt::Display for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())
    }
}

/// What every helper says when it has no login for the server.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// How much of a helper's output is read. Tokens of cloud registries have some kilobytes.
const MOST_OUTPUT: u64 = 256 << 10;

/// How much of a helper's message is shown.
const MOST_MESSAGE: usize = 300;

/// The name that goes with a secret that is a token.
const TOKEN: &str = "<token>";

fn answer(output: &[u8]) -> Option<Login> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let Answer { username, secret } = serde_json::from_slice(output).ok()?;
    Some(match username.as_str() {
        TOKEN => Login::Identity(secret),
        _ => Login::Password { username, password: secret },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a helper that is this shell script.
    fn ask(script: &str, limit: Duration) -> Result<Option<Login>, LoginError> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker-credential-test");
        // Another process writes it: a test beside this one that forks while we have it open for
        // writing would make it "text file busy".
        let written = std::process::Command::new("/bin/sh")
            .args(["-c", r#"printf '%s' "$2" > "$1" && chmod 755 "$1""#, "sh"])
            .arg(&program)
            .arg(format!("#!/bin/sh\n{script}\n"))
            .status()
            .unwrap();
        assert!(written.success());
        let helper = Helper { program: program.into() };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(helper.ask("r.example:5000", limit))
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_helper_is_asked_for_the_server() {
        let script = r#"read -r server; [ "$1 $server" = "get r.example:5000" ] || exit 1
            printf '{"ServerURL":"%s","Username":"me","Secret":"s3"}' "$server""#;
        let expected = Login::Password { username: "me".to_owned(), password: "s3".to_owned() };
        // `read` ends with 1 as there is no line feed behind the server.
        assert_eq!(ask(script, LONG).unwrap(), Some(expected));
    }

    #[test]
    fn a_helper_may_give_a_token() {
        let script = r#"echo '{"ServerURL":"x","Username":"<token>","Secret":"t"}'"#;
        assert_eq!(ask(script, LONG).unwrap(), Some(Login::Identity("t".to_owned())));
    }

    #[test]
    fn a_helper_without_a_login_is_no_error() {
        let script = "echo 'credentials not found in native keychain'; exit 1";
        assert_eq!(ask(script, LONG).unwrap(), None);
    }

    #[test]
    fn a_helper_that_fails_is_quoted() {
        let error = ask("echo 'the keychain is locked'; exit 1", LONG).unwrap_err();
        assert!(error.to_string().ends_with("-test failed: the keychain is locked"), "{error}");
        let error = ask("exit 7", LONG).unwrap_err();
        assert!(error.to_string().ends_with("failed: exit status: 7"), "{error}");
    }

    #[test]
    fn a_helper_that_answers_something_else_is_not_quoted() {
        let error = ask("echo s3cret", LONG).unwrap_err();
        assert!(error.to_string().contains("did not answer with ServerURL"), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }

    #[test]
    fn a_helper_that_never_ends_is_given_up() {
        let error = ask("exec sleep 600", Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, LoginError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_helper_that_never_stops_writing_is_cut_off() {
        let error = ask("exec yes", LONG).unwrap_err();
        assert!(matches!(error, LoginError::Failed { .. } | LoginError::Answer { .. }), "{error}");
    }

    #[test]
    fn a_helper_that_is_not_there_is_named() {
        let helper = Helper::named("of-no-system").unwrap();
        let error = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(helper.ask("r", LONG))
            .unwrap_err();
        assert!(error.to_string().contains("cannot run docker-credential-of-no-system"), "{error}");
    }
}
