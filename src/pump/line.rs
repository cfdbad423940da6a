//! A line: two ends, what lies between them, and where it stands.
//!
//! What is put into a spool comes from outside, so a spool has no source; what several connections fetch
//! is held by the far source itself. Everything else is pulled out of a source through a [`Load`].

use std::io::IoSlice;
use std::time::Instant;

use crate::pump::carrier::spool::Spool;
use crate::pump::carrier::{Carrier, Load, SplicePipe};
use crate::pump::error::TransferError;
use crate::pump::far::Far;
use crate::pump::route;
use crate::pump::sink::Sink;
use crate::pump::source::Source;
use crate::pump::took::Gave;
use crate::pump::transfer::{Room, Transfer};

/// What moves in one transfer.
pub(crate) struct Line {
    /// The transfer's number, for the log.
    pub(super) id: usize,
    pub(super) supply: Supply,
    pub(super) sink: Sink,
    pub(super) transfer: Transfer,
    pub(super) carrier: Carrier,
    /// When the sink took its last byte.
    pub(super) last_byte: Instant,
}

/// Where the sink's bytes come from.
#[derive(Debug)]
pub(crate) enum Supply {
    /// They are pulled out of a source, through what lies between.
    Pulled(Source, Load),
    /// They are put in from outside: the container's output.
    Fed(Spool),
}

impl Line {
    pub(crate) fn new(id: usize, supply: Supply, sink: Sink) -> Self {
        let mut transfer = Transfer::new();
        let mut carrier = Carrier::Copy;
        if matches!(supply, Supply::Fed(_)) {
            transfer.source_blocked();
            carrier = Carrier::Spool;
        }
        Self { id, supply, sink, transfer, carrier, last_byte: Instant::now() }
    }

    /// The source, if bytes are pulled out of one.
    pub(super) fn source(&self) -> Option<&Source> {
        match &self.supply {
            Supply::Pulled(source, _) => Some(source),
            Supply::Fed(_) => None,
        }
    }

    pub(super) fn source_mut(&mut self) -> Option<&mut Source> {
        match &mut self.supply {
            Supply::Pulled(source, _) => Some(source),
            Supply::Fed(_) => None,
        }
    }

    /// The source, if it is far away.
    pub(super) fn far(&self) -> Option<&Far> {
        match &self.supply {
            Supply::Pulled(Source::Far(far), _) => Some(far),
            _ => None,
        }
    }

    pub(super) fn far_mut(&mut self) -> Option<&mut Far> {
        match &mut self.supply {
            Supply::Pulled(Source::Far(far), _) => Some(far),
            _ => None,
        }
    }

    /// What lies between the ends has room for so much.
    pub(super) fn room(&self) -> Room {
        match &self.supply {
            Supply::Fed(_) => Room::Bytes(0),
            Supply::Pulled(Source::Far(far), load) => match far.ring() {
                // How much fits is said when it is filled.
                Some(ring) => Room::Bytes(if ring.has_room() { usize::MAX } else { 0 }),
                None => load.room(),
            },
            Supply::Pulled(_, load) => load.room(),
        }
    }

    /// Picks the fastest carrier that its ends allow.
    pub(super) fn route(&mut self) -> Result<(), TransferError> {
        let Supply::Pulled(source, load) = &mut self.supply else { return Ok(()) };
        self.carrier = route::choose(source, &self.sink);
        *load = match self.carrier {
            Carrier::Direct => Load::Direct,
            Carrier::Splice => Load::Splice(SplicePipe::new().map_err(TransferError::Pipe)?),
            _ => Load::Copy(None),
        };
        Ok(())
    }

    /// The source can be asked for bytes: picks the carrier, or keeps the one that holds some.
    pub(super) fn opened(&mut self) -> Result<(), TransferError> {
        if self.transfer.held() == 0 {
            self.route()?;
        }
        self.source_became_ready();
        Ok(())
    }

    /// Several connections fetch from now on.
    pub(super) fn gathers(&mut self) {
        self.clear();
        self.carrier = Carrier::Ring;
        // A direct move that blocked has left both ends in doubt, and no edge will come of a sink
        // that had room all the time.
        self.source_became_ready();
        self.sink_became_ready();
    }

    /// One connection fetches again, and nothing is held.
    pub(super) fn goes_on_alone(&mut self) -> Result<(), TransferError> {
        self.clear();
        if self.is_open() {
            return self.opened();
        }
        self.transfer.source_blocked();
        Ok(())
    }

    /// Whether bytes can be asked for.
    pub(super) fn is_open(&self) -> bool {
        self.far().is_none_or(Far::is_open)
    }

    pub(super) fn is_direct(&self) -> bool {
        matches!(self.supply, Supply::Pulled(_, Load::Direct))
    }

    pub(super) fn source_became_ready(&mut self) {
        let room = self.room();
        self.transfer.source_became_ready(room);
    }

    pub(super) fn sink_became_ready(&mut self) {
        let room = self.room();
        self.transfer.sink_became_ready(room);
        if self.is_direct()
            && let Some(far) = self.far_mut()
        {
            // It was full until now, and nobody knows what the source had meanwhile.
            far.forgive();
        }
    }

    /// Gives an empty buffer back.
    pub(super) fn rest(&mut self) {
        if let Supply::Pulled(_, load) = &mut self.supply {
            load.rest();
        }
    }

    /// Throws away what it holds.
    pub(super) fn clear(&mut self) {
        match &mut self.supply {
            Supply::Pulled(_, load) => *load = Load::Copy(None),
            Supply::Fed(spool) => spool.clear(),
        }
    }

    /// Lets go of the source.
    pub(super) fn stop(&mut self) {
        if let Some(source) = self.source_mut() {
            source.stop();
        }
    }

    /// How many bytes there will be, when that is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.source().and_then(Source::total)
    }

    /// Puts bytes in from outside. What the sink takes at once is written from where it lies; the rest is
    /// spooled. False: nothing can be put in here.
    ///
    /// # Errors
    /// The rest cannot be spooled.
    pub(super) fn feed(
        &mut self,
        pieces: &[IoSlice<'_>],
        now: Instant,
    ) -> Result<bool, TransferError> {
        let Supply::Fed(spool) = &mut self.supply else { return Ok(false) };
        let mut written = 0;
        if self.transfer.is_drained() {
            match self.sink.write_at_once(pieces) {
                Ok(Gave::Bytes(bytes)) => written = bytes,
                Ok(Gave::Blocked) => self.transfer.sink_blocked(),
                // It says so again when the spool is drained.
                Ok(Gave::Refused) | Err(_) => {}
            }
        }
        let mut spooled = Ok(());
        let mut before = 0;
        for piece in pieces {
            let rest = piece.get(written.saturating_sub(before)..).unwrap_or_default();
            before += piece.len();
            if !rest.is_empty() {
                spooled = spooled.and_then(|()| spool.push(rest));
            }
        }
        self.transfer.filled(before);
        if written > 0 {
            self.transfer.drained(written);
            self.last_byte = now;
        }
        spooled.map(|()| true).map_err(TransferError::Spool)
    }
}
