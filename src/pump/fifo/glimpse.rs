//! What inotify saw of one FIFO, out of what it saw of all.

use crate::sys::inotify::{Seen, Watch};

/// Something that was seen of a FIFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glimpse {
    /// Somebody's open has returned.
    Opened,
    /// Somebody has read from it.
    Read,
    /// A reader has closed it, and nobody is known to have opened it since.
    ReaderClosed,
    /// A reader has closed it, and somebody has opened it since.
    ReaderFollowed,
    /// Something, but it was lost what.
    Unknown,
}

impl Glimpse {
    /// Takes what was seen of one FIFO out of what was seen of all, oldest first.
    pub(crate) fn of(watch: Watch, sightings: &mut Vec<Seen>) -> Vec<Self> {
        let mut own = Vec::new();
        sightings.retain(|seen| {
            let glimpse = match seen {
                Seen::Opened(of) if *of == watch => Self::Opened,
                Seen::Read(of) if *of == watch => Self::Read,
                Seen::ReaderClosed(of) if *of == watch => Self::ReaderClosed,
                Seen::Overflow => {
                    // The others have to know, too.
                    own.push(Self::Unknown);
                    return true;
                }
                _ => return true,
            };
            own.push(glimpse);
            false
        });
        let mut is_followed = false;
        for glimpse in own.iter_mut().rev() {
            match glimpse {
                Self::Opened => is_followed = true,
                Self::ReaderClosed if is_followed => *glimpse = Self::ReaderFollowed,
                _ => {}
            }
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::inotify::Watches;

    #[test]
    fn each_fifo_hears_its_own_and_all_hear_that_something_was_lost() {
        let watches = Watches::new().unwrap();
        let files = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
        let [one, other] = files
            .each_ref()
            .map(|file| watches.add(file.path(), file.path().parent().unwrap()).unwrap());
        let mut sightings = vec![
            Seen::Opened(one),
            Seen::Opened(other),
            Seen::ReaderClosed(one),
            Seen::Overflow,
            Seen::Opened(one),
            Seen::Read(one),
            Seen::ReaderClosed(one),
        ];
        let seen_of_one = [
            Glimpse::Opened,
            Glimpse::ReaderFollowed,
            Glimpse::Unknown,
            Glimpse::Opened,
            Glimpse::Read,
            Glimpse::ReaderClosed,
        ];
        assert_eq!(Glimpse::of(one, &mut sightings), seen_of_one);
        assert_eq!(Glimpse::of(other, &mut sightings), [Glimpse::Opened, Glimpse::Unknown]);
        assert_eq!(sightings, [Seen::Overflow]);
    }
}
