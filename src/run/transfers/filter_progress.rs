//! What programs of Slicer say about their progress in standard output, as elements of XML among
//! other text: `<filter-progress>0.5</filter-progress>`. Pure.
//!
//! The elements are taken out of the text, with the white space behind each, as Slicer CLI Web's
//! own reader does. The name (in `filter-start` too) and the comment become the message.

use crate::event::JobProgress;

macro_rules! tag {
    ($name:literal) => {
        Tag {
            name: $name,
            open: concat!("<filter-", $name, ">"),
            close: concat!("</filter-", $name, ">"),
        }
    };
}

/// Takes elements out of a text that comes in pieces of any size. It looks at each byte a bounded
/// number of times, and holds at most [`HELD_BYTES`] of what may be an element.
#[derive(Debug)]
pub(crate) struct FilterProgress {
    held: Held,
    /// The last thing taken out was an element: white space behind it goes, too.
    is_behind_element: bool,
    name: String,
    comment: String,
}

impl Default for FilterProgress {
    fn default() -> Self {
        let name = "Unknown".to_owned();
        Self { held: Held::default(), is_behind_element: false, name, comment: String::new() }
    }
}

impl FilterProgress {
    /// Takes a piece. What is not an element goes to `text`, progress to `tell`.
    pub(crate) fn hear(
        &mut self,
        piece: &[u8],
        mut text: impl FnMut(&[u8]),
        mut tell: impl FnMut(JobProgress),
    ) {
        if self.held.is_empty() && !self.is_behind_element && !piece.contains(&b'<') {
            return give(piece, &mut text);
        }
        let mut held = std::mem::take(&mut self.held);
        held.bytes.extend_from_slice(piece);
        let mut given = held.from;
        let mut at = held.from;
        loop {
            if self.is_behind_element {
                at += held
                    .bytes
                    .iter()
                    .skip(at)
                    .take_while(|byte| byte.is_ascii_whitespace())
                    .count();
                given = at;
                self.is_behind_element = at == held.bytes.len();
            }
            let Some(start) = held.next_bracket(at) else {
                give(held.part(given, held.bytes.len()), &mut text);
                given = held.bytes.len();
                break;
            };
            match held.look(start) {
                Look::Element { tag, content, end } => {
                    give(held.part(given, start), &mut text);
                    tell_of(self, tag, held.part(content.0, content.1), &mut tell);
                    self.is_behind_element = true;
                    (at, given) = (end, end);
                }
                Look::Beginning => {
                    give(held.part(given, start), &mut text);
                    given = start;
                    break;
                }
                Look::Text => at = start + 1,
            }
        }
        held.forget(given);
        self.held = held;
    }

    /// What is held is no element: there is nothing behind it.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let Held { mut bytes, from, looked_at, .. } = std::mem::take(&mut self.held);
        tracing::trace!(looked_at, "looked for progress in standard output");
        bytes.split_off(from.min(bytes.len()))
    }
}

fn give(text: &[u8], to: &mut impl FnMut(&[u8])) {
    if !text.is_empty() {
        to(text);
    }
}

/// What may be an element, and how far it was looked at.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    /// What lies before is done with.
    from: usize,
    /// Of each tag's end, the first place where it may be.
    may_end: [usize; TAGS.len()],
    /// Bytes that were looked at so far.
    looked_at: u64,
}

/// What begins with a `<`.
enum Look {
    Element {
        tag: &'static Tag,
        /// From where to where it goes.
        content: (usize, usize),
        end: usize,
    },
    /// More has to come before it can be told.
    Beginning,
    Text,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.from == self.bytes.len()
    }

    fn part(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    fn next_bracket(&mut self, at: usize) -> Option<usize> {
        let found = self.part(at, self.bytes.len()).iter().position(|byte| *byte == b'<');
        self.looked_at += found.map_or(self.bytes.len() - at, |found| found + 1) as u64;
        Some(at + found?)
    }

    /// Says what begins at `start`.
    fn look(&mut self, start: usize) -> Look {
        let text = self.part(start, self.bytes.len());
        let begins = |tag: &Tag| text.starts_with(tag.open.as_bytes());
        let Some(number) = TAGS.iter().position(begins) else {
            let may_begin = TAGS.iter().any(|tag| tag.open.as_bytes().starts_with(text));
            return if may_begin { Look::Beginning } else { Look::Text };
        };
        let tag = &TAGS[number];
        let content = start + tag.open.len();
        match self.end_of(number, content) {
            Some(end) if end + tag.close.len() - start <= HELD_BYTES => {
                Look::Element { tag, content: (content, end), end: end + tag.close.len() }
            }
            None if self.bytes.len() - start < HELD_BYTES => Look::Beginning,
            _ => Look::Text,
        }
    }

    /// The first end of a tag behind `from`. Where there was none it is not looked for again.
    fn end_of(&mut self, number: usize, from: usize) -> Option<usize> {
        let close = TAGS[number].close.as_bytes();
        let begin = self.may_end[number].max(from);
        let part = self.part(begin, self.bytes.len());
        let found = part.windows(close.len()).position(|window| window == close);
        self.looked_at += found.unwrap_or(part.len()) as u64;
        // An end that is there in part has its beginning in the last bytes.
        let none = (self.bytes.len() + 1).saturating_sub(close.len()).max(begin);
        self.may_end[number] = found.map_or(none, |found| begin + found);
        found.map(|found| begin + found)
    }

    /// What lies before `from` is done with. It is removed once it is as much as what is kept.
    fn forget(&mut self, from: usize) {
        self.from = from;
        if from * 2 >= self.bytes.len() {
            self.bytes.drain(..from);
            self.may_end.iter_mut().for_each(|place| *place = place.saturating_sub(from));
            self.from = 0;
        }
    }
}

fn tell_of(
    state: &mut FilterProgress,
    tag: &Tag,
    content: &[u8],
    tell: &mut impl FnMut(JobProgress),
) {
    let text = unescaped(&String::from_utf8_lossy(content));
    match tag.name {
        "start" => {
            for inner in TAGS.iter().filter(|tag| matches!(tag.name, "name" | "comment")) {
                let Some(at) = find(content, inner.open.as_bytes()) else { continue };
                let behind = content.get(at + inner.open.len()..).unwrap_or_default();
                let Some(end) = find(behind, inner.close.as_bytes()) else { continue };
                tell_of(state, inner, behind.get(..end).unwrap_or_default(), tell);
            }
        }
        "name" => text.trim().clone_into(&mut state.name),
        "comment" => text.trim().clone_into(&mut state.comment),
        "progress" => {
            let Ok(current) = text.trim().parse::<f64>() else { return };
            if current.is_finite() {
                let message = if state.comment.is_empty() { &state.name } else { &state.comment };
                let message = Some(message.clone());
                tell(JobProgress { total: Some(1.0), current: Some(current), message });
            }
        }
        _ => {}
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The name of an element, and what stands before and behind its content.
#[derive(Debug)]
struct Tag {
    name: &'static str,
    open: &'static str,
    close: &'static str,
}

/// The elements that are known; others are text.
const TAGS: [Tag; 7] = [
    tag!("start"),
    tag!("end"),
    tag!("time"),
    tag!("stage-progress"),
    tag!("progress"),
    tag!("name"),
    tag!("comment"),
];

/// The longest element. One that is longer is text.
const HELD_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn heard<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (String, Vec<(f64, String)>) {
        let (mut parser, mut text, mut told) = (FilterProgress::default(), Vec::new(), Vec::new());
        for piece in pieces {
            parser.hear(
                piece,
                |bytes| text.extend_from_slice(bytes),
                |progress| told.push((progress.current.unwrap(), progress.message.unwrap())),
            );
            let Held { bytes, from, .. } = &parser.held;
            assert!(bytes.len() - from <= HELD_BYTES && bytes.len() <= HELD_BYTES * 2);
        }
        text.extend(parser.end());
        (String::from_utf8(text).unwrap(), told)
    }

    const OUTPUT: &str = "before <a> 1 < 2\n<filter-start>\n<filter-name>Blur &amp; co\
        </filter-name>\n<filter-comment> now &lt;it&gt; </filter-comment>\n</filter-start>\n\n\
        x\u{e9}<filter-progress>0.25</filter-progress>\n <filter-stage-progress>1\
        </filter-stage-progress>\ny <filter-comment></filter-comment><filter-progress> 1 \
        </filter-progress>\n<filter-other>z</filter-other><filter-progress>no</filter-progress>\
        <filter-end><filter-name>Blur</filter-name></filter-end>\n end <filter-prog";

    fn expected() -> (String, Vec<(f64, String)>) {
        let text = "before <a> 1 < 2\nx\u{e9}y <filter-other>z</filter-other>end <filter-prog";
        (text.to_owned(), vec![(0.25, "now <it>".to_owned()), (1.0, "Blur & co".to_owned())])
    }

    #[test]
    fn elements_are_taken_out_and_told_at_every_split() {
        for at in 0..=OUTPUT.len() {
            let (first, second) = OUTPUT.as_bytes().split_at(at);
            assert_eq!(heard([first, second].into_iter()), expected(), "split at {at}");
        }
    }

    #[test]
    fn elements_are_told_over_any_split() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut pieces, mut rest) = (Vec::new(), OUTPUT.as_bytes());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(random.usize(1..=rest.len().min(12)));
                pieces.push(piece);
                rest = behind;
            }
            assert_eq!(heard(pieces.into_iter()), expected(), "seed {seed}");
        }
    }

    #[test]
    fn an_element_without_an_end_is_text_once_it_is_too_long() {
        let text = format!("<filter-start>{}", "x".repeat(HELD_BYTES * 2));
        let (heard, told) = heard(text.as_bytes().chunks(1000));
        assert!(heard == text && told.is_empty());
    }

    #[test]
    fn the_work_grows_with_the_output_whatever_is_in_it() {
        let beginnings: String = TAGS.iter().map(|tag| tag.open).collect();
        for line in
            ["<filter-name>", "<", "</filter-name>", "<filter-name></filter-nam", &beginnings]
        {
            let output = line.repeat((HELD_BYTES * 8) / line.len());
            for size in [1, 100, 65_536] {
                let (mut parser, mut text) = (FilterProgress::default(), 0);
                for piece in output.as_bytes().chunks(size) {
                    parser.hear(piece, |bytes| text += bytes.len(), |_| {});
                }
                let looked_at = parser.held.looked_at;
                text += parser.end().len();
                assert_eq!(text, output.len(), "{line}");
                // For each tag once, with what an end may have in the piece before; and for brackets.
                let bound = output.len() as u64 * (TAGS.len() as u64 + 2) * 20;
                assert!(
                    looked_at < bound,
                    "{looked_at} bytes of {} at {size}, {line}",
                    output.len()
                );
            }
        }
    }

    #[test]
    fn the_longest_element_is_the_same_at_any_split() {
        for (length, is_element) in [(HELD_BYTES, true), (HELD_BYTES + 1, false)] {
            let around = "<filter-time></filter-time>".len();
            let output = format!("<filter-time>{}</filter-time>", "x".repeat(length - around));
            for size in [1, 1000, HELD_BYTES, HELD_BYTES * 2] {
                let (text, _) = heard(output.as_bytes().chunks(size));
                assert_eq!(text.is_empty(), is_element, "{length} in pieces of {size}");
            }
        }
    }
}
