//! When the image is pulled.

/// When the image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PullPolicy {
    /// Before every run (`true`).
    #[default]
    Always,
    /// Never (`false`): an image that is not there fails the run.
    Never,
    /// Only when the engine does not have it (`"if-not-present"`).
    IfNotPresent,
}
