//! The readers of a FIFO against an adversary: programs that open, read, look and leave at its whim,
//! between any two steps of ours, as the kernel would have it.

mod world;

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use self::world::World;
use crate::pump::choices::Choices;
use crate::pump::error::TransferError;
use crate::pump::fifo::ends::{Ends, Seen};
use crate::pump::fifo::input::{Finished, InputFifo, Reaction};
use crate::pump::fifo::readers::Readers;

/// Plays one schedule, of one of sixteen kinds, to its end. That an overlap is told where there is none, as in one of
/// millions, is allowed: it fails a run, and loses nothing.
///
/// # Panics
/// A program has got something else than the file without our telling of it, or waits for ever.
pub(crate) fn play(kind: u64, choices: Choices) {
    play_in(World { is_orderly: false, ..World::new(kind, choices, None) });
}

fn play_in(world: World) {
    let world = Rc::new(RefCell::new(world));
    let fifo = InputFifo::new(Played::hold(&world), Readers::held());
    Player { fifo, world, written: 0, is_running: true, is_closed: false, readings: 1 }.play();
}

/// Our ends in that world.
struct Played {
    world: Rc<RefCell<World>>,
    has_writer: bool,
    has_reader: bool,
    is_held: bool,
}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    fn happen(&self) -> RefMut<'_, World> {
        let mut world = self.world.borrow_mut();
        world.happen();
        world
    }
}

impl Ends for Played {
    fn path(&self) -> PathBuf {
        "played".into()
    }

    fn hear(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.happen().told)
    }

    fn ask(&mut self) -> io::Result<(u64, bool)> {
        if !self.has_writer {
            return Ok((0, false));
        }
        let unread = self.happen().pipe.len() as u64;
        Ok((unread, self.happen().readers > 0))
    }

    fn wait_for_leavers(&self) -> io::Result<()> {
        // It is long enough for everybody to do a step, and for whoever leaves to be gone.
        for _ in 0..200 {
            let mut world = self.happen();
            world.leavers_leave();
            if world.readers == 0 {
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
#[derive(Debug)]
struct Player {
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
                    "told as refused: {:#?}",
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
        let mut idle = 0;
        for turn in 0.. {
            assert!(turn < 100_000, "no end in sight");
            let is_done = match self.turn() {
                Ok(is_done) => is_done,
                Err(error) => {
                    assert!(matches!(error, TransferError::Overlap), "{error:?}");
                    let world = self.world.borrow();
                    let log = &world.log;
                    assert!(!world.is_orderly, "an overlap of one orderly program: {log:#?}");
                    return;
                }
            };
            let mut world = self.world.borrow_mut();
            let count = world.programs.len();
            let who = world.choices.one_of(count);
            let acted = world.act(who) | (0..count).any(|who| !is_done && world.act(who));
            idle = if is_done || acted { 0 } else { idle + 1 };
            if idle > 3 {
                let is_wrong = world.wrong.is_some() && !world.are_twins_one;
                assert!(!is_wrong, "{:?} {:#?}", world.wrong, world.log);
                // A close that nobody hears of is waited for.
                assert!(
                    world.are_done() || world.can_lose,
                    "somebody waits for ever: {world:?} {:?}",
                    self.fifo
                );
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `GANTLINE_TEST_SEED=<number>` plays one schedule again, and says what happened in it.
    #[test]
    fn every_schedule_gives_each_reader_the_file_or_tells_of_an_overlap() {
        let first = std::env::var("GANTLINE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seeds = first.map_or(0..100_000, |seed: u64| seed..seed + 1);
        for seed in seeds {
            // Shown only if it fails.
            println!("seed {seed}");
            let log = first.map(|_| Vec::new());
            play_in(World::new(seed, Choices::seeded(seed), log));
        }
    }
}
