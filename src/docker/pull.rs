//! Pulling an image, and what the engine says meanwhile.

use hyper::header::HeaderName;
use serde::Deserialize;
use tokio::time::timeout;

use super::Client;
use super::auth::{self, Login};
use super::conn::Link;
use super::error::{AnswerError, Call, DockerError};
use super::reference::Reference;
use super::reply::{self, printable};
use super::request::Request;

/// One line of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PullLine {
    /// The first digits of the layer that it is about.
    pub layer: Option<String>,
    /// The engine's words, such as `Downloading`.
    pub status: String,
    /// Bytes of the layer so far.
    pub current: Option<u64>,
    /// Bytes of the layer.
    pub total: Option<u64>,
}

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pulled {
    /// What the registry calls it, when the engine says.
    pub digest: Option<String>,
    /// The credential helper that would have had the login, and that is not there.
    pub missing_helper: Option<String>,
}

impl Client {
    /// Pulls an image, with the user's login for its registry, and tells `progress` each line.
    ///
    /// A registry may be slow: the limit is [`Settings::pull_stall`](super::Settings::pull_stall), for each
    /// line. Dropping the future closes the connection, which makes the engine give up.
    ///
    /// # Errors
    /// [`DockerError::Engine`] when the engine refuses at once, [`DockerError::Pull`] when it
    /// fails later; [`DockerError::Login`] when the user's configuration cannot be followed, and
    /// [`DockerError::NotLoggedIn`] when the login in it, or that there is none, is why.
    pub async fn pull(
        &self,
        reference: &str,
        progress: &mut (dyn FnMut(PullLine) + Send),
    ) -> Result<Pulled, DockerError> {
        self.pull_platform(reference, None, progress).await
    }

    /// The same for one of the image's platforms (`linux/arm64`), in place of the engine's own.
    ///
    /// # Errors
    /// As [`Client::pull`].
    pub async fn pull_platform(
        &self,
        reference: &str,
        platform: Option<&str>,
        progress: &mut (dyn FnMut(PullLine) + Send),
    ) -> Result<Pulled, DockerError> {
        let reference = Reference::parse(reference)?;
        let mut login = None;
        let pulled = self.pull_parsed(&reference, (platform, &mut login), progress).await;
        pulled.map_err(|error| match (&self.settings().config_file, login) {
            (Some(_), Some(login)) => login.hidden_in(error.of_pull(&reference, true)),
            (Some(_), None) => error.of_pull(&reference, false),
            // A login would not be looked for.
            (None, _) => error,
        })
    }

    async fn pull_parsed(
        &self,
        reference: &Reference,
        (platform, sent): (Option<&str>, &mut Option<Login>),
        progress: &mut (dyn FnMut(PullLine) + Send),
    ) -> Result<Pulled, DockerError> {
        let mut request = Request::post("/images/create")
            .query("fromImage", reference.name())
            .query("tag", reference.version());
        if let Some(platform) = platform {
            request = request.query("platform", platform);
        }
        let found = self.login(reference).await?;
        *sent = found.login;
        if let Some(login) = sent {
            request = request.header(REGISTRY_AUTH, login.header(&reference.registry())?);
        }
        let call = request.call().clone();
        let http = self.on_paper(request)?;
        let link = Link::open(self.endpoint()).await?;
        let after = self.settings().pull_stall;
        let stalled = || DockerError::Stalled { reference: reference.to_string(), after };
        let answered = async { link.send(call.clone(), http).await?.accepted().await };
        let mut reply = timeout(after, answered).await.map_err(|_| stalled())??;

        let mut lines = Lines::new(call, reference);
        let mut pulled = Pulled { missing_helper: found.missing_helper, ..Pulled::default() };
        while let Some(bytes) =
            timeout(after, reply.next_bytes()).await.map_err(|_| stalled())??
        {
            lines.add(&bytes);
            while let Some(line) = lines.next()? {
                if let Some(digest) = line.status.strip_prefix(DIGEST) {
                    pulled.digest = Some(digest.to_owned());
                }
                progress(line);
            }
        }
        lines.ended()?;
        Ok(pulled)
    }

    async fn login(&self, reference: &Reference) -> Result<auth::Found, DockerError> {
        match &self.settings().config_file {
            Some(file) => auth::login(file, &reference.registry(), self.timeout()).await,
            None => Ok(auth::Found::default()),
        }
    }
}

const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");

/// How the line begins that has the digest.
const DIGEST: &str = "Digest: ";

/// The longest line that is taken. The longest that engines send carry an error of a registry.
const MOST_LINE: usize = 1 << 20;

/// The lines of a pull, from bytes in any split.
struct Lines {
    call: Call,
    reference: String,
    held: Vec<u8>,
    /// How much of `held` is known to have no line feed.
    searched: usize,
}

impl Lines {
    fn new(call: Call, reference: &Reference) -> Self {
        Self { call, reference: reference.to_string(), held: Vec::new(), searched: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Gives the next line that is complete.
    fn next(&mut self) -> Result<Option<PullLine>, DockerError> {
        loop {
            let fresh = self.held.get(self.searched..).unwrap_or_default();
            let Some(at) = fresh.iter().position(|&byte| byte == b'\n') else {
                self.searched = self.held.len();
                if self.held.len() > MOST_LINE {
                    return Err(self.unusable(AnswerError::TooLong { most: MOST_LINE }));
                }
                return Ok(None);
            };
            let line: Vec<u8> = self.held.drain(..=self.searched + at).collect();
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return self.read(&line).map(Some);
            }
        }
    }

    /// Is told that no more bytes come.
    fn ended(self) -> Result<(), DockerError> {
        match self.held.trim_ascii().is_empty() {
            true => Ok(()),
            // A line that lacks nothing but its end.
            false => self.read(&self.held).map(drop),
        }
    }

    fn read(&self, line: &[u8]) -> Result<PullLine, DockerError> {
        let line: Line = reply::json(&self.call, line)?;
        let detail = line.error_detail.and_then(|detail| detail.message);
        if let Some(message) = detail.or(line.error) {
            let message = printable(&message, reply::MOST_REFUSAL);
            return Err(DockerError::Pull { reference: self.reference.clone(), message });
        }
        let detail = line.progress_detail.unwrap_or_default();
        let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        Ok(PullLine {
            layer: line.id.filter(|id| is_layer(id)),
            status: printable(&line.status.unwrap_or_default(), MOST_STATUS),
            current: bytes(detail.current),
            total: bytes(detail.total).filter(|&total| total > 0),
        })
    }

    fn unusable(&self, source: AnswerError) -> DockerError {
        DockerError::Answer { call: self.call.clone(), source }
    }
}

/// How much of a status is kept.
const MOST_STATUS: usize = 400;

#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    status: Option<String>,
    #[serde(rename = "progressDetail")]
    progress_detail: Option<ProgressDetail>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<ErrorDetail>,
}

#[derive(Deserialize, Default)]
struct ProgressDetail {
    current: Option<i64>,
    total: Option<i64>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: Option<String>,
}

/// The first line has the tag where others have their layer.
fn is_layer(id: &str) -> bool {
    id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        let call = Call { method: "POST", path: "/images/create".to_owned() };
        Lines::new(call, &Reference::parse("r:5000/a").unwrap())
    }

    fn read(text: &str) -> Result<PullLine, DockerError> {
        let mut lines = lines();
        lines.add(text.as_bytes());
        lines.next().map(Option::unwrap)
    }

    #[test]
    fn a_line_has_layer_status_and_bytes() {
        let line = read(
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":7,\"total\":9},\
                         \"progress\":\"[=> ]\",\"id\":\"0123456789ab\"}\r\n",
        );
        assert_eq!(
            line.unwrap(),
            PullLine {
                layer: Some("0123456789ab".to_owned()),
                status: "Downloading".to_owned(),
                current: Some(7),
                total: Some(9)
            }
        );
    }

    #[test]
    fn a_tag_is_no_layer_and_an_unknown_total_is_none() {
        let line = read("{\"status\":\"Pulling from a\",\"id\":\"latest\"}\n").unwrap();
        assert_eq!((line.layer, line.status.as_str()), (None, "Pulling from a"));
        let line = read("{\"progressDetail\":{\"current\":-1,\"total\":0},\"id\":null}\n").unwrap();
        assert_eq!((line.current, line.total), (None, None));
    }

    #[test]
    fn an_error_in_the_stream_is_an_error() {
        for line in [
            r#"{"errorDetail":{"message":"manifest\nunknown"},"error":"x"}"#,
            r#"{"errorDetail":{"code":1},"error":"manifest unknown"}"#,
            r#"{"error":"manifest unknown"}"#,
        ] {
            let error = read(&format!("{line}\n")).unwrap_err();
            assert_eq!(error.to_string(), "the engine could not pull r:5000/a: manifest unknown");
        }
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_lines() {
        let text = b"{\"status\":\"a\"}\r\n\n{\"status\":\"b\"}\n  {\"status\":\"c\"}\n";
        for size in 1..text.len() {
            let mut lines = lines();
            let mut found = String::new();
            for bytes in text.chunks(size) {
                lines.add(bytes);
                while let Some(line) = lines.next().unwrap() {
                    found.push_str(&line.status);
                }
            }
            assert_eq!(found, "abc", "{size}");
            lines.ended().unwrap();
        }
    }

    #[test]
    fn the_last_line_may_lack_its_end_but_nothing_else() {
        let mut whole = lines();
        whole.add(b"{\"error\":\"late\"}");
        assert!(whole.next().unwrap().is_none());
        assert!(whole.ended().unwrap_err().to_string().contains("late"));

        let mut cut = lines();
        cut.add(b"{\"status\":\"Dow");
        assert!(cut.next().unwrap().is_none());
        let error = cut.ended().unwrap_err();
        assert!(matches!(error, DockerError::Answer { source: AnswerError::Truncated, .. }));
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut lines = lines();
        lines.add(&vec![b'x'; MOST_LINE + 1]);
        let error = lines.next().unwrap_err();
        assert!(matches!(error, DockerError::Answer { source: AnswerError::TooLong { .. }, .. }));
    }
}
