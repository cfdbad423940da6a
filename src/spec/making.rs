//! How a job is made: of a document, of a message, in Rust.

use super::error::SpecError;
use super::girder_job::moved;
use super::job::JobSpec;
use super::secret::Secret;
use super::{builder, document, girder_worker};

impl JobSpec {
    /// A job in Rust, without JSON; see [`builder`].
    pub fn builder(image: impl Into<String>) -> builder::JobBuilder {
        builder::JobBuilder::new(image.into())
    }

    /// Parses a job document.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place in the document, what was found there
    /// and what would have been right. What a later version will support is refused by name, never
    /// ignored. No error carries a token, a header's value or an address's query.
    ///
    /// ```
    /// use gantline::spec::{Argument, JobSpec};
    ///
    /// let job = JobSpec::from_json(r#"{"image": "debian:12", "container_args": ["echo", 1.0]}"#)?;
    /// assert_eq!(job.container_args()[1], Argument::Literal("1.0".to_owned()));
    ///
    /// let document = r#"{"image": "debian:12", "container_arg": []}"#;
    /// assert_eq!(
    ///     JobSpec::from_json(document).unwrap_err().to_string(),
    ///     "$.container_arg (line 1, column 41): a job has no `container_arg`; \
    ///      did you mean `container_args`?"
    /// );
    /// # Ok::<(), gantline::spec::SpecError>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        document::read(text)
    }

    /// Parses a message of Girder Worker's: what `docker_run.delay(…)` sends, as one JSON object
    /// with the `headers` and the decoded `body`.
    ///
    /// The body is JSON: what jsonpickle writes, or plain `[args, kwargs, embed]`. Any other (pickle,
    /// YAML) is the caller's to refuse, and compression the caller's to undo. Its members stay in
    /// their order, since a `py/id` counts objects; those of the headers may come in any, as AMQP's
    /// tables do. See [`girder_worker`] for what a message may hold.
    ///
    /// # Errors
    /// As [`JobSpec::from_json`]'s; the place is one in the message.
    pub fn from_message(text: &str) -> Result<Self, SpecError> {
        girder_worker::read(text)
    }

    /// Puts another address in the place of a Girder server's, where the job names that one: in
    /// [`girder_api_url`](Self::girder_api_url), and in the address of
    /// [`girder_job`](Self::girder_job). Where the job names another server, nothing changes.
    ///
    /// # Errors
    /// As [`JobSpec::from_json`]'s: `to` cannot be the address of a Girder API.
    pub fn move_girder(&mut self, from: &str, to: &str) -> Result<(), SpecError> {
        Self::new("none").set_girder(Some(to), None)?;
        let address = self.girder_api_url.as_deref().and_then(|url| moved(url, from, to));
        self.girder_api_url = address.or_else(|| self.girder_api_url.take());
        if let Some(job) = &mut self.girder_job {
            job.move_girder(from, to);
        }
        Ok(())
    }

    /// Names another Girder server, or another token for it; with `None`, what the job says stays.
    ///
    /// # Errors
    /// As [`JobSpec::from_json`]'s, of `girder_api_url` and `girder_client_token`.
    pub fn set_girder(
        &mut self,
        api_url: Option<&str>,
        token: Option<&Secret>,
    ) -> Result<(), SpecError> {
        let said = Self::builder("none")
            .option("girder_api_url", api_url)
            .option("girder_client_token", token.map(Secret::expose))
            .build()?;
        self.girder_api_url = said.girder_api_url.or_else(|| self.girder_api_url.take());
        let token = said.girder_client_token;
        self.girder_client_token = token.or_else(|| self.girder_client_token.take());
        Ok(())
    }
}
