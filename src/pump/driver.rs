//! One transfer with its descriptors: a thin driver around the state machine.
//!
//! A turn does what [`Transfer::next`](super::transfer::Transfer::next) says until it waits, yields or
//! finishes. What moves is its [`Line`], whose steps are in `step`; what a FIFO's readers bring about is
//! in `reading`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::pump::error::TransferError;
use crate::pump::far::Far;
use crate::pump::far::fetch::Ticket;
use crate::pump::far::watch::Expired;
use crate::pump::far::widen::{Considered, Standing};
use crate::pump::line::{Line, Supply};
use crate::pump::report::{Finish, Notice, TransferReport};
use crate::pump::sink::{Attended, Sink};
use crate::pump::source::Source;
use crate::pump::step::Outcome;
use crate::pump::transfer::Step;
use crate::pump::turn::{Context, Tokens, Turn};

/// How often a transfer tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Takes notices, in a worker's thread.
pub(crate) type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

/// One transfer at work.
pub(crate) struct Driver {
    pub(super) line: Line,
    pub(super) life: Life,
    pub(super) tally: Tally,
    /// How a transfer is reported that has everything, unless its FIFO's reader says otherwise.
    finish: Finish,
    /// The container is over: nobody reads or writes on its side any more.
    pub(super) is_container_over: bool,
    notify: Notify,
    tokens: Tokens,
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
    pub(super) began: Instant,
    told: (Instant, u64),
    /// It was told that the first reader has come.
    has_told_opened: bool,
}

impl Driver {
    pub(crate) fn new(line: Line, notify: Notify, tokens: Tokens) -> Self {
        let now = Instant::now();
        Self {
            line,
            life: Life::Running,
            tally: Tally {
                bytes: 0,
                readings: 1,
                began: now,
                told: (now, 0),
                has_told_opened: false,
            },
            finish: Finish::Complete,
            is_container_over: false,
            notify,
            tokens,
        }
    }

    /// Registers what can be registered from the start, and picks the carrier if it can be.
    pub(crate) fn begin(&mut self, registry: &Registry) -> Result<(), TransferError> {
        match &mut self.line.supply {
            Supply::Pulled(Source::Far(far), _) => {
                far.begin()?;
                self.line.transfer.source_blocked();
            }
            Supply::Pulled(source, _) => {
                if let Some(descriptor) = source.descriptor() {
                    SourceFd(&descriptor.as_raw_fd())
                        .register_into(registry, self.tokens.source, Interest::READABLE)
                        .map_err(TransferError::Register)?;
                }
                self.line.route()?;
            }
            Supply::Fed(_) => {}
        }
        self.register_sink(registry)
    }

    pub(super) fn register_sink(&self, registry: &Registry) -> Result<(), TransferError> {
        let Some(descriptor) = self.line.sink.descriptor() else { return Ok(()) };
        SourceFd(&descriptor.as_raw_fd())
            .register_into(registry, self.tokens.sink, Interest::WRITABLE)
            .map_err(TransferError::Register)
    }

    /// Takes back what the epoll instance would keep: a descriptor that others share stays in it
    /// when ours is closed.
    pub(crate) fn deregister(&self, registry: &Registry) {
        let source = self.line.source().and_then(Source::descriptor);
        for descriptor in source.into_iter().chain(self.line.sink.descriptor()) {
            // It is going away; there is nobody to tell.
            let _ = registry.deregister(&mut SourceFd(&descriptor.as_raw_fd()));
        }
    }

    /// An edge came from one of its descriptors.
    pub(crate) fn became_ready(&mut self, token: Token) {
        if token == self.tokens.sink {
            self.line.sink.edge();
            self.line.sink_became_ready();
        } else if self.line.is_open() {
            let is_needed = self.line.transfer.waits_for_source();
            if let Some(far) = self.line.far_mut() {
                far.edge(is_needed);
            }
            self.line.source_became_ready();
        }
    }

    /// Does what can be done now.
    pub(crate) fn turn(&mut self, context: &mut Context<'_>) -> Turn {
        let turn = match self.life {
            Life::Running => self.run(context).unwrap_or_else(|error| self.fail(error)),
            Life::Unread | Life::Closed | Life::Served(_) => Turn::Wait,
            Life::Discarding | Life::Failed => Turn::Wait,
            Life::Over => Turn::Over,
        };
        let is_starved = self.life == Life::Running && self.line.transfer.is_starved();
        let taken = self.line.transfer.taken();
        if let Some(far) = self.line.far_mut() {
            far.turned(is_starved, taken, context.now);
        }
        self.tell(context.now);
        turn
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<Turn, TransferError> {
        if !self.line.is_open() && !self.line.transfer.has_source_ended() {
            self.open_source(context)?;
            if !self.line.is_open() && self.line.is_direct() {
                return Ok(Turn::Wait);
            }
        }
        match self.line.sink.attend(self.tokens.sink, context)? {
            Attended::Nothing => {}
            Attended::Ready => self.line.sink_became_ready(),
            Attended::Again => return Ok(Turn::Again),
            Attended::Wait => return Ok(Turn::Wait),
        }
        self.line.transfer.begin_turn();
        loop {
            let step = self.line.transfer.next(self.line.room());
            let outcome = match step {
                Step::Fill(most) => self.line.fill(most, context)?,
                Step::Drain(most) => self.line.drain(most, context)?,
                Step::Move(most) => self.line.splice_through(most, context)?,
                Step::Wait => match self.rest(context)? {
                    Some(turn) => return Ok(turn),
                    None => continue,
                },
                Step::Yield => {
                    self.leave_to_the_kernel()?;
                    return Ok(Turn::Again);
                }
                Step::Finish => return self.source_ended(context),
            };
            match outcome {
                Outcome::Go => {}
                Outcome::Broken => return Ok(Turn::Again),
                Outcome::Refused => return self.refused(context),
            }
        }
    }

    /// Goes towards the first byte of a source that is far away.
    fn open_source(&mut self, context: &mut Context<'_>) -> Result<(), TransferError> {
        let taken = self.line.transfer.taken();
        let Some(far) = self.line.far_mut() else { return Ok(()) };
        if far.open(taken, context)? { self.line.opened() } else { Ok(()) }
    }

    /// A source that was summed for the case that several connections fetch it is spliced when one is enough.
    fn leave_to_the_kernel(&mut self) -> Result<(), TransferError> {
        let (taken, held) = (self.line.transfer.taken(), self.line.transfer.held());
        let is_left = |far: &mut Far| far.is_left_to_the_kernel(taken);
        if held == 0 && self.line.far_mut().is_some_and(is_left) {
            self.line.goes_on_alone()?;
        }
        Ok(())
    }

    /// Nothing can be moved now. None: that has changed.
    fn rest(&mut self, context: &Context<'_>) -> Result<Option<Turn>, TransferError> {
        self.line.rest();
        let transfer = &self.line.transfer;
        let waits_for_source = transfer.waits_for_source();
        let standing = Standing {
            taken: transfer.taken(),
            held: transfer.held(),
            is_starved: transfer.is_starved(),
        };
        if let Some(far) = self.line.far_mut() {
            match far.consider(standing, context)? {
                Considered::Nothing => {
                    far.waits(waits_for_source, context.registry, context.now)?
                }
                Considered::More => {
                    self.line.source_became_ready();
                    return Ok(None);
                }
                Considered::Several => {
                    self.line.gathers();
                    return Ok(None);
                }
                Considered::One => {
                    self.line.goes_on_alone()?;
                    return Ok(Some(Turn::Again));
                }
            }
        }
        let is_to_connect = self.line.sink.rest(context.now)?;
        Ok(Some(if is_to_connect { Turn::Again } else { Turn::Wait }))
    }

    fn source_ended(&mut self, context: &Context<'_>) -> Result<Turn, TransferError> {
        if let Some(far) = self.line.far_mut() {
            // Before anybody is shown the end.
            far.check_sum()?;
        }
        // A source that was cut off is not ended for a server, so that nobody takes it for the whole.
        if !matches!(self.finish, Finish::Failed | Finish::Incomplete) {
            match self.line.sink.finish(context.now)? {
                Attended::Nothing | Attended::Ready => {}
                Attended::Again => return Ok(Turn::Again),
                Attended::Wait => return Ok(Turn::Wait),
            }
        }
        match self.line.sink {
            Sink::Fifo(_) => self.all_is_in_the_fifo(context),
            _ if self.is_unwritten() => Ok(self.over(Finish::NotOpened)),
            _ => Ok(self.over(self.finish)),
        }
    }

    /// Whether its source is a FIFO that nobody has opened for writing.
    fn is_unwritten(&self) -> bool {
        let source = self.line.source();
        matches!(source, Some(Source::Fifo(fifo)) if self.delivered() == 0 && !fifo.was_opened())
    }

    /// Bytes that sinks have taken, over all readings.
    pub(super) fn delivered(&self) -> u64 {
        self.tally.bytes + self.line.transfer.delivered()
    }

    fn tell(&mut self, now: Instant) {
        self.tell_opened();
        let (when, what) = self.tally.told;
        let bytes = self.delivered();
        let is_first = what == 0;
        let is_due = is_first || now.duration_since(when) >= TELL_EVERY;
        if bytes != what && is_due && self.life != Life::Over {
            self.tally.told = (now, bytes);
            let (id, total) = (self.line.id, self.line.total());
            (self.notify)(Notice::Advanced { id, bytes, total });
        }
    }

    /// Says that the first reader has come, once.
    pub(super) fn tell_opened(&mut self) {
        let Sink::Fifo(fifo) = &self.line.sink else { return };
        if !self.tally.has_told_opened && !fifo.is_unopened() {
            self.tally.has_told_opened = true;
            (self.notify)(Notice::Opened { id: self.line.id });
        }
    }

    /// Says that what comes is thrown away.
    pub(super) fn tell_refused(&self) {
        (self.notify)(Notice::Refused { id: self.line.id });
    }

    /// Ends in failure, and says so. What the container reads stays open while it runs.
    pub(super) fn fail(&mut self, error: TransferError) -> Turn {
        match self.life {
            Life::Failed => return Turn::Wait,
            Life::Over => return Turn::Over,
            _ => self.life = Life::Failed,
        }
        self.line.stop();
        if let Sink::Fifo(fifo) = &mut self.line.sink {
            // What its readers do does not matter any more.
            fifo.unwatch();
        }
        // What it holds will not be delivered.
        self.line.clear();
        (self.notify)(Notice::Failed { id: self.line.id, error });
        if self.is_container_over { self.over(Finish::Failed) } else { Turn::Wait }
    }

    /// Is over, and says so.
    pub(super) fn over(&mut self, finish: Finish) -> Turn {
        if self.life == Life::Over {
            return Turn::Over;
        }
        let bytes = if finish == Finish::NotOpened { 0 } else { self.delivered() };
        let last_byte = self.line.last_byte;
        let report = TransferReport {
            bytes,
            seconds: last_byte.saturating_duration_since(self.tally.began).as_secs_f64(),
            carrier: self.line.carrier,
            resumed: self.line.far().map_or(0, Far::resumed),
            is_unchecked: self.line.far().is_some_and(Far::is_unchecked),
            is_checked: self.line.far().is_some_and(Far::is_checked),
            readings: self.tally.readings,
            finish,
        };
        self.life = Life::Over;
        self.line.stop();
        self.line.sink.ended();
        (self.notify)(Notice::Ended { id: self.line.id, report });
        Turn::Over
    }

    /// Was told to stop at once.
    pub(crate) fn cancel(&mut self) -> Turn {
        self.over(if self.life == Life::Failed { Finish::Failed } else { Finish::Cancelled })
    }

    /// The answer to a look-up.
    pub(crate) fn resolved(&mut self, ticket: Ticket, addresses: io::Result<Vec<SocketAddr>>) {
        match self.line.far_mut() {
            Some(far) if ticket != Ticket::ONLY => {
                if far.resolved(ticket, addresses) {
                    self.line.source_became_ready();
                }
            }
            _ => self.line.sink.resolved(addresses),
        }
    }

    /// When it wants a turn without an event: the way to the source has a deadline, and so has a
    /// source that gives nothing; and bytes that were not told of yet will be.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (told, bytes) = self.tally.told;
        let telling = (self.delivered() != bytes).then_some(told + TELL_EVERY);
        if self.life != Life::Running {
            return telling;
        }
        let has_ended = self.line.transfer.has_source_ended();
        let source = self.line.far().and_then(|far| far.deadline(has_ended));
        [source, self.line.sink.deadline(), telling].into_iter().flatten().min()
    }

    /// Its deadline has passed: a socket that gathers is looked at, and a source that stalls is
    /// opened again.
    pub(crate) fn timed_out(&mut self, now: Instant) {
        self.line.sink.timed_out(now);
        let taken = self.line.transfer.taken();
        let Some(far) = self.line.far_mut() else { return };
        let expired = far.timed_out(now);
        if expired == Expired::Nothing {
            return;
        }
        self.line.source_became_ready();
        if expired == Expired::Stalled && self.life == Life::Running && self.line.sink.has_room() {
            let Some(far) = self.line.far_mut() else { return };
            if let Err(error) = far.stalled(taken, now) {
                let _ = self.fail(error);
            }
        }
    }

    /// The container's output: these bytes of it are for this transfer.
    pub(crate) fn feed(&mut self, pieces: &[io::IoSlice<'_>], now: Instant) -> Turn {
        if self.life != Life::Running {
            return Turn::Wait;
        }
        match self.line.feed(pieces, now) {
            Ok(true) => Turn::Again,
            Ok(false) => self.fail(TransferError::Bug("output for a transfer that is not fed")),
            Err(error) => self.fail(error),
        }
    }

    /// The container's output has come to its end, or is given up.
    pub(crate) fn feed_ended(&mut self, finish: Finish) -> Turn {
        match self.life {
            Life::Running => {
                self.line.transfer.source_ended();
                self.finish = finish;
                Turn::Again
            }
            Life::Discarding => self.over(Finish::Refused),
            _ => Turn::Wait,
        }
    }
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
            .field("id", &self.line.id)
            .field("life", &self.life)
            .field("transfer", &self.line.transfer)
            .finish_non_exhaustive()
    }
}
