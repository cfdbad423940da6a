//! The labels by which a container is found again, when the process that made it is gone, too.

/// The run that a container belongs to.
pub(super) const RUN_LABEL: &str = "gantline.run";
/// The host name of whoever made it.
pub(super) const HOST_LABEL: &str = "gantline.host";
/// The process that made it.
pub(super) const PID_LABEL: &str = "gantline.pid";
/// Since when that process has been there, and in which namespace: its number alone may belong to
/// another.
pub(super) const SINCE_LABEL: &str = "gantline.since";
/// There when the job wants to keep its container.
pub(super) const KEEP_LABEL: &str = "gantline.keep";
/// The user whose run it is.
pub(super) const UID_LABEL: &str = "gantline.uid";

/// The name of this host; empty if it has none that can be written in a label.
pub(super) fn this_host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}
