//! The kernel's side of a FIFO, and the programs that use it.

use std::collections::VecDeque;

use crate::pump::choices::Choices;
use crate::pump::fifo::ends::Seen;

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
pub(super) struct Program {
    visits: VecDeque<Visit>,
    place: Place,
}

/// What the kernel knows, and who uses it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) choices: Choices,
    /// The places in the file of the bytes that are in the FIFO.
    pub(super) pipe: VecDeque<u64>,
    pub(super) length: u64,
    pub(super) told: Vec<Seen>,
    pub(super) is_muted: bool,
    pub(super) can_lose: bool,
    /// Openings of two programs may be told as one. Then nobody can say that they were two, and only that nobody waits
    /// for ever is promised.
    pub(super) are_twins_one: bool,
    /// The opening that was told last was ours.
    pub(super) is_last_ours: bool,
    /// One program, which looks or reads all, and nothing is lost.
    pub(super) is_orderly: bool,
    pub(super) readers: usize,
    pub(super) writers: usize,
    pub(super) programs: Vec<Program>,
    /// What happened, for whoever plays a schedule again. To write it down takes longer than to play.
    pub(super) log: Option<Vec<String>>,
    /// Somebody got other bytes than the file's, or an end that is none.
    pub(super) wrong: Option<String>,
}

impl World {
    /// Of one of sixteen kinds.
    pub(super) fn new(kind: u64, mut choices: Choices, log: Option<Vec<String>>) -> Self {
        let length = choices.below(6);
        let count = if choices.are_so(160) { 1 } else { 2 + choices.one_of(2) };
        let is_orderly = kind.is_multiple_of(2);
        let programs = (0..if is_orderly { 1 } else { count }).map(|_| Program {
            visits: (0..1 + choices.one_of(5))
                .map(|_| visit(&mut choices, length, is_orderly))
                .collect(),
            place: Place::Outside,
        });
        let programs = programs.collect();
        Self {
            pipe: VecDeque::new(),
            length,
            told: Vec::new(),
            is_muted: false,
            can_lose: kind.is_multiple_of(16),
            are_twins_one: kind % 8 == 3,
            is_last_ours: false,
            is_orderly: is_orderly && !kind.is_multiple_of(16),
            readers: 0,
            writers: 0,
            programs,
            log,
            wrong: None,
            choices,
        }
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(what());
        }
    }

    /// Nobody is let in or out while nothing happens: some programs do some steps.
    pub(super) fn happen(&mut self) {
        while self.choices.are_so(120) {
            let who = self.choices.one_of(self.programs.len());
            self.act(who);
        }
    }

    /// Whoever is inside close(2) comes out of it.
    pub(super) fn leavers_leave(&mut self) {
        for who in 0..self.programs.len() {
            if matches!(self.programs[who].place, Place::Closing) {
                self.act(who);
            }
        }
    }

    pub(super) fn tell(&mut self, seen: Seen) {
        self.tell_of(seen, false);
    }

    /// What is like the event before it is told as one with it, unless that was heard already, or something was told of
    /// another FIFO between them.
    pub(super) fn tell_of(&mut self, seen: Seen, is_ours: bool) {
        self.note(|| format!("{}{seen:?}", if is_ours { "our " } else { "" }));
        if self.can_lose && self.choices.are_so(6) {
            self.told = vec![Seen::Lost];
            return;
        }
        let is_alike = self.told.last() == Some(&seen) && self.choices.are_so(200);
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
    pub(super) fn act(&mut self, who: usize) -> bool {
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
    pub(super) fn let_go(&mut self) {
        if self.readers == 0 && self.writers == 0 {
            self.pipe.clear();
        }
    }

    pub(super) fn writer_came(&mut self) {
        self.writers += 1;
        for program in &mut self.programs {
            if let Place::Opening { may_pass } = &mut program.place {
                *may_pass = true;
            }
        }
    }

    pub(super) fn are_done(&self) -> bool {
        self.programs.iter().all(|program| program.visits.is_empty())
    }
}

/// An orderly program looks, or reads all of it.
fn visit(choices: &mut Choices, length: u64, is_orderly: bool) -> Visit {
    let most = match choices.below(4) {
        0 | 1 => 0,
        2 if !is_orderly => choices.below(length + 1),
        _ => u64::MAX,
    };
    Visit { most, is_impatient: !is_orderly && choices.are_so(20) }
}
