//! One transfer with its descriptors: a thin driver around the state machine.
//!
//! A turn does what [`Transfer::next`] says until it waits, yields or finishes. The steps
//! themselves are in `step`; what a FIFO's readers bring about is in `fifo`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::http::Lookup;
use crate::pump::carrier::pool::Pool;
use crate::pump::carrier::route;
use crate::pump::carrier::{Carrier, Load, SplicePipe};
use crate::pump::deadline::set_low_water;
use crate::pump::error::TransferError;
use crate::pump::far::fetch::{Opening, Ticket};
use crate::pump::far::hearing::Hearing;
use crate::pump::far::low_water::LowWater;
use crate::pump::far::pace::Pace;
use crate::pump::far::stall::Stall;
use crate::pump::far::widen::Considered;
use crate::pump::report::{Finish, Notice, TransferReport};
use crate::pump::sink::Sink;
use crate::pump::source::Source;
use crate::pump::transfer::{Step, Transfer};

/// How often a transfer tells how far it is.
pub(super) const TELL_EVERY: Duration = Duration::from_millis(100);

/// Takes notices, in a worker's thread.
pub(crate) type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

/// One transfer at work.
pub(crate) struct Driver {
    pub(super) id: usize,
    pub(super) source: Source,
    pub(super) sink: Sink,
    pub(super) load: Load,
    pub(super) transfer: Transfer,
    pub(super) life: Life,
    pub(super) tally: Tally,
    /// How a fed transfer that has everything is reported.
    pub(super) fed_finish: Finish,
    /// The container is over: nobody reads or writes on its side any more.
    pub(super) is_container_over: bool,
    notify: Notify,
    pub(super) tokens: Tokens,
    pub(super) registered_socket: Option<(u32, u32)>,
    pub(super) hearing: Hearing,
    pub(super) low_water: LowWater,
    pub(super) stall: Stall,
    /// Whether its source is worth several connections; not known before the first is there.
    pub(super) pace: Option<Pace>,
    pub(super) opening_until: Option<Instant>,
}

/// Where a driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Bytes move, or would.
    Running,
    /// All bytes are in the FIFO, and its reader has yet to come.
    Unread,
    /// All bytes are in the FIFO, and our end of it is closed.
    Closed,
    /// A reading is over; another may follow until the container exits.
    Served(Finish),
    /// The sink refused; what still comes is thrown away.
    Discarding,
    /// It failed. The sink stays open until the container is dead: its end would look like the
    /// file's.
    Failed,
    /// It is over, and reported.
    Over,
}

/// What is counted over all readings.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(super) bytes: u64,
    pub(super) readings: u32,
    pub(super) carrier: Carrier,
    pub(super) began: Instant,
    last_byte: Instant,
    pub(super) told: (Instant, u64),
}

impl Tally {
    /// From the beginning to the last byte.
    fn seconds(&self) -> f64 {
        self.last_byte.saturating_duration_since(self.began).as_secs_f64()
    }
}

/// The tokens of a driver's two ends.
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
    /// Nothing to do until an event or [`Driver::deadline`].
    Wait,
    /// It is over and reported.
    Over,
}

impl Driver {
    pub(crate) fn new(id: usize, ends: (Source, Sink), notify: Notify, tokens: Tokens) -> Self {
        let now = Instant::now();
        let (source, sink) = ends;
        let mut transfer = Transfer::new();
        if matches!(source, Source::Fed) {
            transfer.source_blocked();
        }
        Self {
            id,
            source,
            sink,
            load: Load::Copy(None),
            transfer,
            life: Life::Running,
            tally: Tally {
                bytes: 0,
                readings: 1,
                carrier: Carrier::Copy,
                began: now,
                last_byte: now,
                told: (now, 0),
            },
            fed_finish: Finish::Complete,
            is_container_over: false,
            notify,
            tokens,
            registered_socket: None,
            hearing: Hearing::default(),
            low_water: LowWater::new(),
            stall: Stall::default(),
            pace: None,
            opening_until: None,
        }
    }

    pub(super) fn sink_token(&self) -> Token {
        self.tokens.sink
    }

    /// Registers what can be registered from the start, and picks the carrier if it can be.
    pub(crate) fn begin(&mut self, registry: &Registry) -> Result<(), TransferError> {
        if let Source::Fifo(fifo) = &self.source {
            let descriptor = fifo.descriptor().as_raw_fd();
            SourceFd(&descriptor)
                .register_into(registry, self.tokens.source, Interest::READABLE)
                .map_err(TransferError::Register)?;
        }
        if let Source::Fetch(fetch) = &mut self.source {
            fetch.begin(0)?;
            self.transfer.source_blocked();
        } else {
            self.route()?;
        }
        self.register_sink(registry)
    }

    pub(super) fn register_sink(&self, registry: &Registry) -> Result<(), TransferError> {
        let Some(descriptor) = self.sink.descriptor() else { return Ok(()) };
        SourceFd(&descriptor.as_raw_fd())
            .register_into(registry, self.tokens.sink, Interest::WRITABLE)
            .map_err(TransferError::Register)
    }

    fn register_socket(&mut self, registry: &Registry) -> Result<(), TransferError> {
        let Source::Fetch(fetch) = &mut self.source else { return Ok(()) };
        let Some((number, socket)) = fetch.connection() else { return Ok(()) };
        if self.registered_socket == Some(number) {
            return Ok(());
        }
        self.registered_socket = Some(number);
        self.hearing = Hearing::default();
        registry
            .register(socket, self.tokens.source, Interest::READABLE | Interest::WRITABLE)
            .map_err(TransferError::Register)
    }

    /// Takes back what the epoll instance would keep: a descriptor that others share stays in it
    /// when ours is closed.
    pub(crate) fn deregister(&self, registry: &Registry) {
        if let Some(descriptor) = self.sink.descriptor() {
            // It is going away; there is nobody to tell.
            let _ = registry.deregister(&mut SourceFd(&descriptor.as_raw_fd()));
        }
    }

    /// An edge came from one of its descriptors.
    pub(crate) fn became_ready(&mut self, token: Token) {
        if token == self.tokens.sink {
            if let Sink::Post(post) = &mut self.sink {
                post.became_ready();
            }
            self.transfer.sink_became_ready(self.load.room());
            if matches!(self.load, Load::Direct) {
                // It was full until now, and nobody knows what the source had meanwhile.
                self.stall.forgive();
            }
        } else if self.source.is_open() {
            self.hearing.edge(self.transfer.waits_for_source());
            self.transfer.source_became_ready(self.load.room());
        }
    }

    /// Does what can be done now.
    pub(crate) fn turn(&mut self, context: &mut Context<'_>) -> Turn {
        let turn = match self.life {
            Life::Running => self.run(context).unwrap_or_else(|error| self.fail(error)),
            Life::Unread | Life::Closed | Life::Served(_) | Life::Discarding | Life::Failed => {
                Turn::Wait
            }
            Life::Over => Turn::Over,
        };
        let is_starved =
            self.life == Life::Running && self.source.is_open() && self.transfer.is_starved();
        self.stall.turned(is_starved, self.transfer.taken(), context.now);
        self.tell(context.now);
        turn
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<Turn, TransferError> {
        let is_to_open = !self.source.is_open() && !self.transfer.has_source_ended();
        if is_to_open {
            self.opening_until = None;
            loop {
                let opening = self.source.open(self.transfer.taken(), context.now)?;
                self.register_socket(context.registry)?;
                match opening {
                    Opening::Open => self.opened(context.connections)?,
                    Opening::Blocked(deadline) => self.opening_until = Some(deadline),
                    Opening::Lookup(ticket, lookup) => {
                        context.lookups.push((ticket, lookup));
                        // It says next how long that may take.
                        continue;
                    }
                    Opening::Idle => {
                        return Err(TransferError::Bug("a source that was never begun"));
                    }
                }
                break;
            }
        }
        if is_to_open && !self.source.is_open() && matches!(self.load, Load::Direct) {
            return Ok(Turn::Wait);
        }
        if let Some(turn) = self.attend_to_post(context)? {
            return Ok(turn);
        }
        self.transfer.begin_turn();
        loop {
            let step = self.transfer.next(self.load.room());
            let outcome = match step {
                Step::Fill(most) => self.fill(most, context)?,
                Step::Drain(most) => self.drain(most, context)?,
                Step::Move(most) => self.splice_through(most, context)?,
                Step::Wait => {
                    self.load.rest();
                    match self.consider_lanes(context)? {
                        Considered::Step => continue,
                        Considered::Turn => return Ok(Turn::Again),
                        Considered::Nothing => {}
                    }
                    if self.transfer.waits_for_source()
                        && let Some((socket, left)) = self.source.socket()
                        && let Some(mark) = self.low_water.waits(left, context.now)
                    {
                        self.low_water.is_set(set_low_water(socket, mark));
                    }
                    self.listen(context.registry)?;
                    let is_to_connect = self.rest_post(context)?;
                    return Ok(if is_to_connect { Turn::Again } else { Turn::Wait });
                }
                Step::Yield => return Ok(Turn::Again),
                Step::Finish => {
                    return match self.finish_post(context)? {
                        Some(turn) => Ok(turn),
                        None => self.source_is_done(context),
                    };
                }
            };
            match outcome {
                Outcome::Go => {}
                Outcome::Broken => return Ok(Turn::Again),
                Outcome::Refused => return self.refused(context),
            }
        }
    }

    /// The source can be asked for bytes: picks the carrier, or keeps the one that holds some.
    pub(super) fn opened(&mut self, connections: usize) -> Result<(), TransferError> {
        if let Source::Fetch(fetch) = &self.source {
            self.pace.get_or_insert_with(|| Pace::new(fetch.round_trip(), connections));
        }
        if self.transfer.held() == 0 {
            self.route()?;
        }
        self.low_water = LowWater::new();
        self.transfer.source_became_ready(self.load.room());
        Ok(())
    }

    pub(super) fn route(&mut self) -> Result<(), TransferError> {
        let carrier = route::choose(&self.source, &self.sink);
        self.tally.carrier = carrier;
        match carrier {
            Carrier::Direct => self.load = Load::Direct,
            Carrier::Splice => {
                self.load = Load::Splice(SplicePipe::new().map_err(TransferError::Pipe)?);
            }
            Carrier::Copy => self.load = Load::Copy(None),
            // It is there from the start.
            Carrier::Spool | Carrier::Ring => {}
        }
        Ok(())
    }

    /// Bytes arrived at the sink.
    pub(super) fn progressed(&mut self, now: Instant) {
        self.tally.last_byte = now;
    }

    /// Bytes that sinks have taken, over all readings.
    pub(super) fn delivered(&self) -> u64 {
        self.tally.bytes + self.transfer.delivered()
    }

    fn tell(&mut self, now: Instant) {
        let (when, what) = self.tally.told;
        let bytes = self.delivered();
        let is_first = what == 0;
        let is_due = is_first || now.duration_since(when) >= TELL_EVERY;
        if bytes != what && is_due && self.life != Life::Over {
            self.tally.told = (now, bytes);
            (self.notify)(Notice::Advanced { id: self.id, bytes, total: self.source.total() });
        }
    }

    /// Ends in failure, and says so. What the container reads stays open while it runs.
    pub(super) fn fail(&mut self, error: TransferError) -> Turn {
        match self.life {
            Life::Failed => return Turn::Wait,
            Life::Over => return Turn::Over,
            _ => self.life = Life::Failed,
        }
        self.source.stop();
        if let Sink::Fifo(fifo) = &mut self.sink {
            // What its readers do does not matter any more.
            fifo.unwatch();
        }
        // What it holds will not be delivered.
        self.load = Load::Copy(None);
        (self.notify)(Notice::Failed { id: self.id, error });
        if self.is_container_over { self.over(Finish::Failed) } else { Turn::Wait }
    }

    /// Is over, and says so.
    pub(super) fn over(&mut self, finish: Finish) -> Turn {
        if self.life == Life::Over {
            return Turn::Over;
        }
        let bytes = if finish == Finish::NotOpened { 0 } else { self.delivered() };
        let resumed = match &self.source {
            Source::Fetch(fetch) => fetch.resumed(),
            Source::Lanes(lanes) => lanes.resumed(),
            _ => 0,
        };
        let report = TransferReport {
            bytes,
            seconds: self.tally.seconds(),
            carrier: self.tally.carrier,
            resumed,
            readings: self.tally.readings,
            finish,
        };
        self.life = Life::Over;
        self.source.stop();
        if let Sink::Listener(listener) = &mut self.sink {
            listener.0.ended();
        }
        (self.notify)(Notice::Ended { id: self.id, report });
        Turn::Over
    }

    /// Was told to stop at once.
    pub(crate) fn cancel(&mut self) -> Turn {
        self.over(if self.life == Life::Failed { Finish::Failed } else { Finish::Cancelled })
    }

    /// The answer to a look-up.
    pub(crate) fn resolved(&mut self, ticket: Ticket, addresses: io::Result<Vec<SocketAddr>>) {
        if let Source::Fetch(fetch) = &mut self.source {
            fetch.resolved(ticket, addresses);
        } else if let Source::Lanes(lanes) = &mut self.source {
            lanes.resolved(ticket, &addresses);
            self.transfer.source_became_ready(self.load.room());
        } else if let Sink::Post(post) = &mut self.sink {
            post.resolved(addresses);
        }
    }
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Go,
    Broken,
    Refused,
}

/// Registering a descriptor that may be registered already, or may be of a kind that epoll does
/// not take because it is always ready (`EPERM`: a regular file, /dev/null).
trait RegisterInto {
    fn register_into(self, registry: &Registry, token: Token, interest: Interest)
    -> io::Result<()>;
}

impl RegisterInto for SourceFd<'_> {
    fn register_into(
        mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match registry.register(&mut self, token, interest) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            answer => answer,
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("id", &self.id)
            .field("life", &self.life)
            .field("transfer", &self.transfer)
            .finish_non_exhaustive()
    }
}
