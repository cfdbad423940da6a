//! The arguments of the container's command: what is known of them before the run, and what they
//! become.

use std::collections::BTreeMap;

use super::Mount;
use crate::spec::Secret;

/// An argument: its parts, joined by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedArgument(pub(super) Vec<Part>);

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Known.
    Text(String),
    /// The path of a download: an index into [`Plan::downloads`](super::Plan::downloads).
    Download {
        /// The download.
        at: usize,
        /// The path as far as it can be told without Girder.
        told: String,
    },
    /// The address of the Girder server's API.
    GirderApiUrl,
    /// The token for it.
    GirderToken,
}

/// What only a run finds out.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// The paths of downloads in the container, by their places in the plan, where they are not those
    /// that the plan tells.
    pub(crate) paths: BTreeMap<usize, String>,
    /// The address of the Girder server's API.
    pub(crate) girder_api_url: String,
    /// The token for it.
    pub(crate) girder_token: Option<Secret>,
    /// Mounts of files that this host has itself, beside the plan's.
    pub(crate) mounts: Vec<Mount>,
}

impl Resolved {
    /// What is shown in place of what is not known before the run, or not to be seen.
    pub(super) fn placeholders() -> Self {
        Self {
            girder_api_url: "<Girder API URL>".to_owned(),
            girder_token: Some(Secret::new("<Girder token>")),
            ..Self::default()
        }
    }
}

impl PlannedArgument {
    pub(super) fn of(part: Part) -> Self {
        Self(vec![part])
    }

    /// What the container is passed.
    pub(crate) fn resolve(&self, resolved: &Resolved) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Download { at, told } => resolved.paths.get(at).unwrap_or(told).clone(),
            Part::GirderApiUrl => resolved.girder_api_url.clone(),
            Part::GirderToken => {
                resolved.girder_token.as_ref().map_or("", Secret::expose).to_owned()
            }
        };
        match &self.0[..] {
            [one] => part(one),
            parts => parts.iter().map(part).collect::<Vec<_>>().join(","),
        }
    }

    /// Whether it says where Girder is, or lets the container in.
    pub(crate) fn names_girder(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::GirderApiUrl | Part::GirderToken))
    }

    /// Whether it lets the container into Girder.
    pub(crate) fn has_token(&self) -> bool {
        self.0.contains(&Part::GirderToken)
    }
}
