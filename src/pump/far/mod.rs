//! The source that is far away: a GET, resumed where it broke off, over one connection or several.
//!
//! `fetch` is one GET. `stall`, `low_water` and `hearing` watch its socket. A body that comes a long way
//! is fetched over several connections, the `lanes`, into the ring: `pace` measures whether that is faster,
//! `speed` how fast each of them is and so how much it is asked for at once, `relief` helps one that
//! has become slow, `widen` changes from one to several and back.

pub(in crate::pump) mod fetch;
mod hearing;
mod lane;
mod lanes;
mod low_water;
mod pace;
mod relief;
mod speed;
mod stall;
pub(in crate::pump) mod sums;
pub(in crate::pump) mod watch;
pub(in crate::pump) mod widen;

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use mio::{Interest, Token};

use self::fetch::{Fetch, Opening, Ticket};
use self::hearing::Hearing;
use self::lanes::{Lanes, NOBODY};
use self::low_water::LowWater;
use self::pace::Pace;
use self::stall::Stall;
use self::sums::Sums;
use crate::http::Read;
use crate::pump::carrier::ring::Ring;
use crate::pump::error::TransferError;
use crate::pump::took::{Filled, Took};
use crate::pump::turn::Context;

/// A GET at work, with all that watches it.
#[derive(Debug)]
pub(crate) struct Far {
    fetching: Fetching,
    token: Token,
    /// The number of the socket that is registered.
    registered: Option<(u32, u32)>,
    hearing: Hearing,
    low_water: LowWater,
    stall: Stall,
    /// Whether it is worth several connections; not known before the first is there.
    pace: Option<Pace>,
    opening_until: Option<Instant>,
    /// What it is held against.
    sums: Option<Sums>,
    /// Whether parts of it came over several connections.
    has_gathered: bool,
}

/// How many connections fetch it.
#[derive(Debug)]
enum Fetching {
    One(Box<Fetch>),
    Several(Box<Several>),
}

/// Connections, and what they have fetched.
#[derive(Debug)]
struct Several {
    lanes: Lanes,
    ring: Ring,
}

impl Far {
    /// Nothing is sent yet. Its sockets are registered under `token`.
    pub(crate) fn new(fetch: Fetch, token: Token) -> Self {
        Self {
            fetching: Fetching::One(Box::new(fetch)),
            token,
            registered: None,
            hearing: Hearing::default(),
            low_water: LowWater::new(),
            stall: Stall::default(),
            pace: None,
            opening_until: None,
            sums: None,
            has_gathered: false,
        }
    }

    /// Begins at the first byte, again if it was begun before.
    pub(crate) fn begin(&mut self) -> Result<(), TransferError> {
        self.stall.forgive();
        self.pace = None;
        let is_to_be_read_again = self.sums.as_mut().is_some_and(Sums::begin);
        let fetch = self.let_go().ok_or(NOBODY)?;
        fetch.read_again_if_unchecked(is_to_be_read_again);
        fetch.ask_to_the_end();
        fetch.begin(0)
    }

    /// Whether bytes can be asked for without [`open`](Self::open) first.
    pub(crate) fn is_open(&self) -> bool {
        match &self.fetching {
            Fetching::One(fetch) => fetch.is_open(),
            Fetching::Several(_) => true,
        }
    }

    /// Goes towards the first byte, `taken` bytes having come. True: it is there.
    pub(crate) fn open(
        &mut self,
        taken: u64,
        context: &mut Context<'_>,
    ) -> Result<bool, TransferError> {
        let Fetching::One(fetch) = &mut self.fetching else { return Ok(true) };
        self.opening_until = None;
        loop {
            let opening = fetch.open(taken, context.now)?;
            if let Some((number, socket)) = fetch.connection()
                && self.registered != Some(number)
            {
                self.registered = Some(number);
                self.hearing = Hearing::default();
                context
                    .registry
                    .register(socket, self.token, Interest::READABLE | Interest::WRITABLE)
                    .map_err(TransferError::Register)?;
            }
            match opening {
                Opening::Open => break,
                Opening::Blocked(deadline) => {
                    self.opening_until = Some(deadline);
                    return Ok(false);
                }
                // It says next how long that may take.
                Opening::Lookup(ticket, lookup) => context.lookups.push((ticket, lookup)),
                Opening::Idle => return Err(TransferError::Bug("a source that was never begun")),
            }
        }
        let (round_trip, size) = (fetch.round_trip(), fetch.size());
        let pace =
            self.pace.get_or_insert_with(|| Pace::new(round_trip, size, context.connections));
        if let Some(sums) = &mut self.sums {
            sums.opened(fetch, taken, !pace.is_over());
        }
        self.low_water = LowWater::new();
        Ok(true)
    }

    /// The descriptor to splice from, and how much of the body may be.
    pub(crate) fn raw(&self) -> Option<(BorrowedFd<'_>, u64)> {
        // What is summed has to pass through our hands.
        self.one().filter(|_| !self.is_summed()).and_then(Fetch::raw)
    }

    /// The socket of a body, and how many of its bytes are still to come.
    fn socket(&self) -> Option<(BorrowedFd<'_>, u64)> {
        self.one().and_then(Fetch::socket)
    }

    fn one(&self) -> Option<&Fetch> {
        match &self.fetching {
            Fetching::One(fetch) => Some(fetch),
            Fetching::Several(_) => None,
        }
    }

    /// What a splice out of its socket came to, `taken` bytes having come before it.
    pub(crate) fn spliced(
        &mut self,
        answer: io::Result<usize>,
        taken: u64,
        now: Instant,
    ) -> Result<Took, TransferError> {
        let Fetching::One(fetch) = &mut self.fetching else { return Ok(Took::Blocked) };
        match answer {
            Ok(0) => match fetch.peer_closed(taken) {
                Ok(()) => Ok(Took::Ended),
                Err(error) => fetch.broke(error, taken, now),
            },
            Ok(bytes) => {
                fetch.moved(bytes);
                fetch.check(taken + bytes as u64).map(|()| Took::Bytes(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Took::Blocked),
            Err(error) => fetch.broke(fetch.broken(error), taken, now),
        }
    }

    /// Reads into `buffer`, `taken` bytes having come before.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        taken: u64,
        now: Instant,
    ) -> Result<Filled, TransferError> {
        let Fetching::One(fetch) = &mut self.fetching else { return Ok(Took::Blocked.into()) };
        if let Some(at) = fetch.again() {
            return sums::read_again(fetch, self.sums.as_mut(), buffer, (at, taken), now);
        }
        let took = match fetch.read(buffer, taken) {
            Ok(Read::Bytes(bytes)) => {
                if let Some(sums) = &mut self.sums {
                    sums.came(buffer.get(..bytes).unwrap_or_default());
                }
                fetch.check(taken + bytes as u64).map(|()| Took::Bytes(bytes))
            }
            Ok(Read::Ended) => Ok(Took::Ended),
            Ok(_) => Ok(Took::Blocked),
            Err(error) => fetch.broke(error, taken, now),
        };
        took.map(Filled::Took)
    }

    /// What was fetched over several connections, if it is.
    pub(crate) fn ring(&self) -> Option<&Ring> {
        match &self.fetching {
            Fetching::One(_) => None,
            Fetching::Several(several) => Some(&several.ring),
        }
    }

    /// Takes up to about `most` bytes from several connections.
    pub(crate) fn gather(
        &mut self,
        most: usize,
        context: &mut Context<'_>,
    ) -> Result<Filled, TransferError> {
        let Fetching::Several(several) = &mut self.fetching else {
            return Ok(Took::Blocked.into());
        };
        let Several { lanes, ring } = &mut **several;
        let before = ring.frontier();
        let come = lanes.gather(ring, most, self.token, context)?;
        self.has_gathered |= lanes.are_proven();
        Ok(match usize::try_from(ring.frontier() - before).unwrap_or(usize::MAX) {
            0 if come > 0 => Filled::Ahead(come),
            0 if ring.is_complete() => Took::Ended.into(),
            0 => Took::Blocked.into(),
            bytes => Took::Bytes(bytes).into(),
        })
    }

    /// The sink took so many bytes of the ring's front. Whether a connection can go on for that, or help
    /// the one that is waited for now.
    pub(crate) fn drained(&mut self, bytes: usize) -> bool {
        let Fetching::Several(several) = &mut self.fetching else { return false };
        if let Some(sums) = &mut self.sums {
            sums.came(several.ring.front().get(..bytes).unwrap_or_default());
        }
        let is_room = several.ring.drained(bytes);
        is_room || several.ring.front().is_empty() && several.lanes.has_a_free_one()
    }

    /// How long it may give nothing.
    fn stall(&self) -> Option<Duration> {
        match &self.fetching {
            Fetching::One(fetch) => Some(fetch.stall()),
            Fetching::Several(several) => several.lanes.stall(),
        }
    }

    /// Lets go of what is under way; [`begin`](Self::begin) may follow.
    pub(crate) fn stop(&mut self) {
        self.let_go();
    }

    /// Lets go of what is under way. One GET is left.
    fn let_go(&mut self) -> Option<&mut Fetch> {
        self.opening_until = None;
        if let Fetching::Several(several) = &mut self.fetching {
            self.fetching = Fetching::One(Box::new(several.lanes.take_one()?));
        }
        let Fetching::One(fetch) = &mut self.fetching else { return None };
        fetch.stop();
        Some(fetch)
    }

    /// How many bytes there will be, when that is known.
    pub(crate) fn total(&self) -> Option<u64> {
        match &self.fetching {
            Fetching::One(fetch) => fetch.size(),
            Fetching::Several(several) => several.lanes.size(),
        }
    }

    /// How often it broke off and went on.
    pub(crate) fn resumed(&self) -> u32 {
        match &self.fetching {
            Fetching::One(fetch) => fetch.resumed(),
            Fetching::Several(several) => several.lanes.resumed(),
        }
    }

    /// Whether the server has said which version of the file it sends.
    fn knows_its_version(&self) -> bool {
        match &self.fetching {
            Fetching::One(fetch) => fetch.knows_its_version(),
            Fetching::Several(several) => several.lanes.know_their_version(),
        }
    }

    /// The answer to a look-up. Whether there may be bytes for it.
    pub(crate) fn resolved(
        &mut self,
        ticket: Ticket,
        addresses: io::Result<Vec<SocketAddr>>,
    ) -> bool {
        match &mut self.fetching {
            Fetching::One(fetch) => {
                fetch.resolved(ticket, addresses);
                false
            }
            Fetching::Several(several) => {
                several.lanes.resolved(ticket, &addresses);
                true
            }
        }
    }
}
