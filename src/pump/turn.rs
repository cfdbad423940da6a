//! What a transfer is lent for a turn, and how the turn ends.

use mio::{Registry, Token};

use crate::http::Lookup;
use crate::pump::carrier::pool::Pool;
use crate::pump::far::fetch::Ticket;

use std::time::Instant;

/// The tokens of a transfer's two ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens {
    pub(crate) source: Token,
    pub(crate) sink: Token,
}

/// What the reactor lends a driver for a turn.
pub(crate) struct Context<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) pool: &'a Pool,
    /// How many connections one transfer may use.
    pub(crate) connections: usize,
    pub(crate) now: Instant,
    /// Look-ups that the driver wants made.
    pub(crate) lookups: &'a mut Vec<(Ticket, Lookup)>,
}

/// How a turn ended.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There is more to do.
    Again,
    /// Nothing to do until an event or a deadline.
    Wait,
    /// It is over and reported.
    Over,
}
