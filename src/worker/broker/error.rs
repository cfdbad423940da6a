//! Why a broker does not do what it is asked.

use std::error::Error;
use std::sync::Arc;

use thiserror::Error;

/// What went wrong between us and a broker. It can be cloned: one lost connection is told to everybody
/// who waits on it. No variant holds a password or a message's content.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Nobody answers there, or TLS fails.
    #[error("cannot connect to the broker at {place}")]
    Unreachable {
        /// Host and port.
        place: String,
        /// What the network says.
        source: Cause,
    },
    /// The Redis that keeps results is not there, or does not take them.
    #[error("cannot use the place for results at {place}")]
    Results {
        /// Host and port.
        place: String,
        /// What it says, or the network.
        source: Cause,
    },
    /// The user's name or password is wrong, or the user may not use this place.
    #[error("the broker at {place} refuses the login of `{user}`")]
    Login {
        /// Host and port.
        place: String,
        /// Who connects.
        user: String,
    },
    /// RabbitMQ has no such vhost, or the user may not use it; Redis has fewer databases.
    #[error("the broker at {place} has no {vhost} for `{user}`")]
    Vhost {
        /// Host and port.
        place: String,
        /// The vhost or database.
        vhost: String,
        /// Who connects.
        user: String,
    },
    /// What the address asks for cannot be had: a file that cannot be read, say.
    #[error("cannot use the address of the broker at {place}: {why}")]
    Address {
        /// Host and port.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// RabbitMQ keeps the queue of remote control for another connection: a worker of this name is there.
    #[error("a worker called `{0}` is connected already: give this one another --hostname")]
    NameInUse(String),
    /// The connection has ended.
    #[error("the connection to the broker is lost")]
    Lost(#[source] Cause),
    /// The broker did not answer in time; the connection is given up.
    #[error("the broker has not answered for {0} seconds")]
    Silent(u64),
    /// We have closed the connection.
    #[error("the connection to the broker is closed")]
    Closed,
    /// The broker refuses one operation, and goes on.
    #[error("the broker refuses to {what}")]
    Refused {
        /// The operation.
        what: String,
        /// What the broker says.
        source: Cause,
    },
    /// A message was for a queue that is not there. It has not been published.
    #[error("the broker has no queue `{0}`")]
    NoQueue(String),
    /// A name or a message that the protocol has no room for.
    #[error("cannot write {0} in the broker's protocol")]
    Unwritable(&'static str),
    /// This should never be seen.
    #[error("a bug in Gantline: {0}")]
    Bug(&'static str),
}

/// A cause that may be shared.
pub type Cause = Arc<dyn Error + Send + Sync>;

impl BrokerError {
    /// Whether another try is useless until somebody changes something: what ends a worker that starts.
    ///
    /// A worker that has been connected waits these out as well: its own former connection may still hold
    /// its name, and jobs run.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Login { .. }
            | Self::Vhost { .. }
            | Self::Address { .. }
            | Self::NameInUse(_)
            | Self::Bug(_) => true,
            Self::Unreachable { .. }
            | Self::Results { .. }
            | Self::Lost(_)
            | Self::Silent(_)
            | Self::Closed
            | Self::Refused { .. }
            | Self::NoQueue(_)
            | Self::Unwritable(_) => false,
        }
    }

    /// Whether the session is over. What else is refused leaves it as it is.
    pub fn ends_session(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Silent(_) | Self::Closed => true,
            Self::Unreachable { .. }
            | Self::Results { .. }
            | Self::Login { .. }
            | Self::Vhost { .. }
            | Self::Address { .. }
            | Self::NameInUse(_)
            | Self::Refused { .. }
            | Self::NoQueue(_)
            | Self::Unwritable(_)
            | Self::Bug(_) => false,
        }
    }
}
