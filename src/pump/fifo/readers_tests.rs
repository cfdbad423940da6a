//! The readers of a FIFO against an adversary: programs that open, read, look and leave at its whim,
//! between any two steps of ours, as the kernel would have it.
//!
//! `GANTLINE_TEST_SEED=<number>` plays one schedule again, and says what happened in it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use super::*;
use crate::pump::error::TransferError;
use crate::pump::fifo::ends::{Ends, Seen};
use crate::pump::fifo::input::{Finished, InputFifo, Reaction};

/// One opening of the FIFO by a program.
#[derive(Debug, Clone, Copy)]
struct Visit {
    /// Bytes that it reads; all, and the end, if there are fewer.
    most: u64,
    /// It does not wait for a writer.
    is_impatient: bool,
}

/// Where a program is.
#[derive(Debug, Clone)]
enum Place {
    Outside,
    /// Inside open(2). Whether there is, or was, a writer to wait for.
    Opening {
        may_pass: bool,
    },
    /// It reads; how many bytes it got. An access that is not told yet.
    Inside {
        got: u64,
        is_owed: bool,
    },
    /// Inside close(2).
    Closing,
}

#[derive(Debug)]
struct Program {
    visits: VecDeque<Visit>,
    place: Place,
}

/// What the kernel knows, and who uses it.
#[derive(Debug)]
struct World {
    random: fastrand::Rng,
    /// The places in the file of the bytes that are in the FIFO.
    pipe: VecDeque<u64>,
    length: u64,
    told: Vec<Seen>,
    is_muted: bool,
    can_lose: bool,
    /// Openings of two programs may be told as one. Then nobody can say that they were two, and only that nobody waits
    /// for ever is promised.
    are_twins_one: bool,
    /// The opening that was told last was ours.
    is_last_ours: bool,
    /// One program, which looks or reads all, and nothing is lost.
    is_orderly: bool,
    readers: usize,
    writers: usize,
    programs: Vec<Program>,
    /// What happened, for whoever plays a schedule again. To write it down takes longer than to play.
    log: Option<Vec<String>>,
    /// Somebody got other bytes than the file's, or an end that is none.
    wrong: Option<String>,
}

impl World {
    fn new(seed: u64, log: Option<Vec<String>>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let length = random.u64(0..6);
        let count = if random.u8(..) < 160 { 1 } else { random.usize(2..4) };
        let is_orderly = seed.is_multiple_of(2);
        let programs = (0..if is_orderly { 1 } else { count }).map(|_| Program {
            visits: (0..random.usize(1..6))
                .map(|_| visit(&mut random, length, is_orderly))
                .collect(),
            place: Place::Outside,
        });
        let programs = programs.collect();
        Self {
            pipe: VecDeque::new(),
            length,
            told: Vec::new(),
            is_muted: false,
            can_lose: seed.is_multiple_of(16),
            are_twins_one: seed % 8 == 3,
            is_last_ours: false,
            is_orderly: is_orderly && !seed.is_multiple_of(16),
            readers: 0,
            writers: 0,
            programs,
            log,
            wrong: None,
            random,
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(what());
        }
    }

    /// Nobody is let in or out while nothing happens: some programs do some steps.
    fn happen(&mut self) {
        while self.random.u8(..) < 120 {
            let who = self.random.usize(..self.programs.len());
            self.act(who);
        }
    }

    fn tell(&mut self, seen: Seen) {
        self.tell_of(seen, false);
    }

    /// What is like the event before it is told as one with it, unless that was heard already, or something was told of
    /// another FIFO between them.
    fn tell_of(&mut self, seen: Seen, is_ours: bool) {
        self.note(|| format!("{}{seen:?}", if is_ours { "our " } else { "" }));
        if self.can_lose && self.random.u8(..) < 6 {
            self.told = vec![Seen::Lost];
            return;
        }
        let is_alike = self.told.last() == Some(&seen) && self.random.u8(..) < 200;
        let may_be_one = match seen {
            Seen::Opened => self.are_twins_one || is_ours || self.is_last_ours,
            Seen::Read => true,
            Seen::Closed | Seen::Lost => false,
        };
        let is_one = is_alike && may_be_one;
        self.is_last_ours = is_ours && !is_one;
        let is_muted = seen == Seen::Read && self.is_muted;
        if !is_one && !is_muted {
            self.told.push(seen);
        }
    }

    /// One step of a program. False: it has to wait, or is done.
    fn act(&mut self, who: usize) -> bool {
        let Some(visit) = self.programs[who].visits.front().copied() else { return false };
        match self.programs[who].place.clone() {
            Place::Outside => {
                self.note(|| format!("{who} opens for {}", visit.most));
                self.readers += 1;
                let may_pass = self.writers > 0 || visit.is_impatient;
                self.programs[who].place = Place::Opening { may_pass };
            }
            Place::Opening { may_pass: false } => return false,
            Place::Opening { .. } => {
                self.tell(Seen::Opened);
                self.programs[who].place = Place::Inside { got: 0, is_owed: false };
            }
            Place::Inside { got, is_owed: true } => {
                self.tell(Seen::Read);
                self.programs[who].place = Place::Inside { got, is_owed: false };
            }
            Place::Inside { got, .. } if got < visit.most => match self.pipe.pop_front() {
                Some(byte) => {
                    self.note(|| format!("{who} reads byte {byte}"));
                    if byte != got {
                        self.wrong = Some(format!("{who} got byte {byte} in place of {got}"));
                    }
                    self.programs[who].place = Place::Inside { got: got + 1, is_owed: true };
                }
                None if self.writers > 0 && !visit.is_impatient => return false,
                None => {
                    if got != self.length && !visit.is_impatient {
                        self.wrong = Some(format!("{who} saw an end after {got} bytes"));
                    }
                    self.close(who);
                }
            },
            Place::Inside { .. } => self.close(who),
            Place::Closing => {
                self.programs[who].place = Place::Outside;
                self.programs[who].visits.pop_front();
                self.note(|| format!("{who} has closed"));
                self.readers -= 1;
                self.let_go();
            }
        }
        true
    }

    fn close(&mut self, who: usize) {
        self.tell(Seen::Closed);
        self.programs[who].place = Place::Closing;
    }

    /// With nobody left the kernel forgets the bytes.
    fn let_go(&mut self) {
        if self.readers == 0 && self.writers == 0 {
            self.pipe.clear();
        }
    }

    fn writer_came(&mut self) {
        self.writers += 1;
        for program in &mut self.programs {
            if let Place::Opening { may_pass } = &mut program.place {
                *may_pass = true;
            }
        }
    }

    fn are_done(&self) -> bool {
        self.programs.iter().all(|program| program.visits.is_empty())
    }
}

/// An orderly program looks, or reads all of it.
fn visit(random: &mut fastrand::Rng, length: u64, is_orderly: bool) -> Visit {
    let most = match random.u8(0..4) {
        0 | 1 => 0,
        2 if !is_orderly => random.u64(0..=length),
        _ => u64::MAX,
    };
    Visit { most, is_impatient: !is_orderly && random.u8(..) < 20 }
}

/// Our ends in that world.
struct Played {
    world: Rc<RefCell<World>>,
    has_writer: bool,
    has_reader: bool,
    is_held: bool,
}

impl std::fmt::Debug for Played {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "writer {}, reader {}", self.has_writer, self.has_reader)
    }
}

impl Played {
    fn hold(world: &Rc<RefCell<World>>) -> Self {
        let mut inner = world.borrow_mut();
        (inner.readers, inner.writers) = (1, 2);
        drop(inner);
        Self { world: Rc::clone(world), has_writer: true, has_reader: true, is_held: true }
    }

    fn happen(&self) -> std::cell::RefMut<'_, World> {
        let mut world = self.world.borrow_mut();
        world.happen();
        world
    }
}

impl Ends for Played {
    fn hear(&mut self) -> io::Result<Vec<Seen>> {
        Ok(std::mem::take(&mut self.happen().told))
    }

    fn ask(&mut self) -> io::Result<(u64, bool)> {
        if !self.has_writer {
            return Ok((0, false));
        }
        let unread = self.happen().pipe.len() as u64;
        Ok((unread, self.happen().readers > 0))
    }

    fn wait_for_leavers(&self) -> io::Result<()> {
        // It is long enough for everybody to do a step.
        for _ in 0..200 {
            if self.happen().readers == 0 {
                break;
            }
        }
        Ok(())
    }

    fn mute_reads(&mut self) {
        self.happen().is_muted = true;
    }

    fn tell_reads(&mut self) -> io::Result<()> {
        self.happen().is_muted = false;
        Ok(())
    }

    fn has_writer(&self) -> bool {
        self.has_writer
    }

    fn open_writer(&mut self) -> io::Result<()> {
        self.happen().writer_came();
        self.happen().tell_of(Seen::Opened, true);
        self.has_writer = true;
        Ok(())
    }

    fn close_writer(&mut self) {
        let mut world = self.happen();
        world.writers -= 1;
        world.let_go();
        drop(world);
        self.has_writer = false;
    }

    fn open_reader(&mut self) -> io::Result<()> {
        self.happen().readers += 1;
        self.happen().tell_of(Seen::Opened, true);
        self.has_reader = true;
        Ok(())
    }

    fn open_hold(&mut self) -> io::Result<()> {
        let mut world = self.happen();
        world.readers += 1;
        world.writer_came();
        drop(world);
        self.happen().tell_of(Seen::Opened, true);
        (self.has_reader, self.is_held) = (true, true);
        Ok(())
    }

    fn close_reader(&mut self) {
        if !self.has_reader {
            return;
        }
        let is_held = std::mem::take(&mut self.is_held);
        let mut world = self.happen();
        if is_held {
            world.writers -= 1;
        } else {
            world.tell(Seen::Closed);
        }
        world.readers -= 1;
        world.let_go();
        drop(world);
        self.has_reader = false;
    }

    fn count(&mut self) -> io::Result<u64> {
        Ok(self.happen().pipe.len() as u64)
    }

    fn empty(&mut self) -> io::Result<u64> {
        let mut world = self.happen();
        let gone = world.pipe.len() as u64;
        world.pipe.clear();
        if gone > 0 {
            world.tell(Seen::Read);
        }
        Ok(gone)
    }
}

/// What of a transfer its readers have to do with.
struct Player {
    seed: u64,
    fifo: InputFifo<Played>,
    world: Rc<RefCell<World>>,
    written: u64,
    is_running: bool,
    is_closed: bool,
    readings: u32,
}

impl Player {
    fn react(&mut self, reaction: Reaction) {
        self.world.borrow_mut().note(|| format!("{reaction:?} {:?}", self.fifo));
        match reaction {
            Reaction::Nothing => {}
            Reaction::TryAgain => self.is_running = !self.is_closed,
            Reaction::Untouched => (self.is_running, self.is_closed) = (false, false),
            Reaction::Over { unread } => {
                let is_orderly = self.world.borrow().is_orderly;
                assert!(
                    !is_orderly || unread == 0,
                    "seed {}: told as refused: {:#?}",
                    self.seed,
                    self.world.borrow().log
                );
                (self.is_running, self.is_closed, self.written) = (false, false, 0);
            }
            Reaction::Next => {
                (self.is_running, self.written) = (true, 0);
                self.readings += 1;
            }
        }
    }

    fn hear(&mut self) -> Result<bool, TransferError> {
        let reaction = self.fifo.next(self.written)?;
        self.react(reaction);
        Ok(reaction != Reaction::Nothing)
    }

    /// A turn; whether it did something.
    fn turn(&mut self) -> Result<bool, TransferError> {
        if self.hear()? {
            return Ok(true);
        }
        let length = self.world.borrow().length;
        if !self.is_running {
            return Ok(false);
        }
        if self.written == length {
            return match self.fifo.finish(self.written)? {
                Finished::Closed => {
                    (self.is_running, self.is_closed) = (false, true);
                    while self.hear()? {}
                    self.fifo.seal();
                    Ok(true)
                }
                Finished::Waiting => {
                    self.is_running = false;
                    Ok(true)
                }
                Finished::First(reaction) => {
                    self.react(reaction);
                    Ok(true)
                }
            };
        }
        if !self.fifo.takes_bytes() {
            return Ok(false);
        }
        let mut world = self.world.borrow_mut();
        world.happen();
        if world.readers == 0 {
            drop(world);
            let reaction = self.fifo.reader_left(self.written)?;
            self.react(reaction);
            return Ok(true);
        }
        world.pipe.push_back(self.written);
        self.written += 1;
        Ok(true)
    }

    fn play(mut self) {
        let seed = self.seed;
        let mut idle = 0;
        for _ in 0..100_000 {
            let is_done = match self.turn() {
                Ok(is_done) => is_done,
                Err(TransferError::Overlap) => {
                    let is_orderly = self.world.borrow().is_orderly;
                    assert!(
                        !is_orderly,
                        "seed {seed}: an overlap of one orderly program: {:#?}",
                        self.world.borrow().log
                    );
                    return;
                }
                Err(error) => panic!("seed {seed}: {error:?}"),
            };
            let mut world = self.world.borrow_mut();
            let count = world.programs.len();
            let who = world.random.usize(..count);
            let acted = world.act(who) | (0..count).any(|who| !is_done && world.act(who));
            idle = if is_done || acted { 0 } else { idle + 1 };
            if idle > 3 {
                let is_wrong = world.wrong.is_some() && !world.are_twins_one;
                assert!(!is_wrong, "seed {seed}: {:?} {:#?}", world.wrong, world.log);
                // A close that nobody hears of is waited for.
                assert!(
                    world.are_done() || world.can_lose,
                    "seed {seed}: somebody waits for ever: {world:?} {:?}",
                    self.fifo
                );
                return;
            }
        }
        panic!("seed {seed}: no end in sight");
    }
}

#[test]
fn every_schedule_gives_each_reader_the_file_or_tells_of_an_overlap() {
    let first = std::env::var("GANTLINE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(0..100_000, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let world = Rc::new(RefCell::new(World::new(seed, first.map(|_| Vec::new()))));
        let fifo = InputFifo::new(Played::hold(&world), Readers::held());
        Player { seed, fifo, world, written: 0, is_running: true, is_closed: false, readings: 1 }
            .play();
    }
}
