//! Looking into a container's file system from outside.

use super::Client;
use super::container::ContainerId;
use super::error::DockerError;
use super::request::Request;

impl Client {
    /// Whether a container has something at a path, mounts included; it need not run.
    ///
    /// # Errors
    /// Those of every call. That there is no such container is not told from that there is no such path.
    pub async fn has(&self, id: &ContainerId, path: &str) -> Result<bool, DockerError> {
        let request = Request::head(format!("/containers/{id}/archive")).query("path", path);
        match self.head(request).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
