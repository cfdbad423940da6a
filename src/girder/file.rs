//! A file's record.

use serde::Deserialize;

/// What Girder knows of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FileRecord {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its name, as the uploader chose it: it may hold anything.
    pub name: String,
    /// Bytes. Girder does not know it of every file that is a link to somewhere else.
    #[serde(default)]
    pub size: Option<u64>,
    /// The SHA-512 of its bytes in hexadecimal, where the assetstore knows it and the user may see
    /// it.
    #[serde(default)]
    pub sha512: Option<String>,
    /// When it was made, or was given the contents that it has; by the server's clock, as ISO 8601 has it.
    #[serde(default)]
    pub created: Option<String>,
}
