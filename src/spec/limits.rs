//! How much one job may say.

/// More arguments than this do not fit what Linux gives a new program with usual limits (a quarter
/// of an 8 MiB stack, at some 20 bytes each).
pub(super) const MAX_ARGUMENTS: usize = 100_000;
/// Volumes of one container: each is a mount, and the engine slows down long before.
pub(super) const MAX_VOLUMES: usize = 1000;
/// Transfers of one job: each takes up to four descriptors, and a process has 1,024 by default.
pub(super) const MAX_TRANSFERS: usize = 200;
/// Hooks of one job: each is some requests to Girder.
pub(super) const MAX_HOOKS: usize = 1000;

/// Servers refuse more than 100 (Apache's LimitRequestFields, Go's and nginx's by size).
pub(super) const MAX_HEADERS: usize = 90;

/// The greatest whole number that every reader of JSON keeps.
pub(super) const MAX_SIZE: u64 = (1 << 53) - 1;
