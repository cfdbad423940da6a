//! What all requests of a client have in common.

use super::options::Limits;
use super::roots::Roots;
use super::{Proxies, Resolver};

/// What the clones of a client share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) roots: Roots,
    pub(super) limits: Limits,
    pub(super) receive_buffer: Option<usize>,
    pub(super) user_agent: String,
    pub(super) proxies: Proxies,
    pub(super) resolver: Resolver,
}
