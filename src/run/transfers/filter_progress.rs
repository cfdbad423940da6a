//! What programs of Slicer say about their progress in standard output, as elements of XML among
//! other text: `<filter-progress>0.5</filter-progress>`. Pure.
//!
//! The elements are taken out of the text, with the white space behind each, as Slicer CLI Web's
//! own reader does. The name (in `filter-start` too) and the comment become the message.

use crate::event::JobProgress;

/// Takes elements out of a text that comes in pieces of any size.
#[derive(Debug)]
pub(crate) struct FilterProgress {
    /// The beginning of what may be an element.
    held: Vec<u8>,
    /// The last thing taken out was an element: white space behind it goes, too.
    is_behind_element: bool,
    name: String,
    comment: String,
}

impl Default for FilterProgress {
    fn default() -> Self {
        let name = "Unknown".to_owned();
        Self { held: Vec::new(), is_behind_element: false, name, comment: String::new() }
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
        let mut joined = std::mem::take(&mut self.held);
        let mut rest = if joined.is_empty() {
            piece
        } else {
            joined.extend_from_slice(piece);
            joined.as_slice()
        };
        loop {
            if self.is_behind_element {
                rest = rest.trim_ascii_start();
                self.is_behind_element = rest.is_empty();
            }
            let Some(start) = rest.iter().position(|byte| *byte == b'<') else {
                return give(rest, &mut text);
            };
            let (before, element) = rest.split_at(start);
            give(before, &mut text);
            match look(element) {
                Look::Element { tag, content, length } => {
                    tell_of(self, tag, content, &mut tell);
                    self.is_behind_element = true;
                    rest = element.get(length..).unwrap_or_default();
                }
                Look::Beginning if element.len() < HELD_BYTES => {
                    self.held = element.to_vec();
                    return;
                }
                Look::Beginning | Look::Text => {
                    give(element.get(..1).unwrap_or_default(), &mut text);
                    rest = element.get(1..).unwrap_or_default();
                }
            }
        }
    }

    /// What is held is no element: there is nothing behind it.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

fn give(text: &[u8], to: &mut impl FnMut(&[u8])) {
    if !text.is_empty() {
        to(text);
    }
}

/// What begins with a `<`.
enum Look<'a> {
    Element {
        tag: &'static str,
        content: &'a [u8],
        length: usize,
    },
    /// More has to come before it can be told.
    Beginning,
    Text,
}

fn look(text: &[u8]) -> Look<'_> {
    let mut may_begin = false;
    for tag in TAGS {
        let open = format!("<filter-{tag}>");
        let Some(behind) = text.strip_prefix(open.as_bytes()) else {
            may_begin |= open.as_bytes().starts_with(text);
            continue;
        };
        let close = format!("</filter-{tag}>");
        return match find(behind, close.as_bytes()) {
            Some(at) => Look::Element {
                tag,
                content: behind.get(..at).unwrap_or_default(),
                length: open.len() + at + close.len(),
            },
            None => Look::Beginning,
        };
    }
    if may_begin { Look::Beginning } else { Look::Text }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn tell_of(
    state: &mut FilterProgress,
    tag: &str,
    content: &[u8],
    tell: &mut impl FnMut(JobProgress),
) {
    let text = unescaped(&String::from_utf8_lossy(content));
    match tag {
        "start" => {
            for inner in ["name", "comment"] {
                let (open, close) = (format!("<filter-{inner}>"), format!("</filter-{inner}>"));
                let Some(at) = find(content, open.as_bytes()) else { continue };
                let behind = content.get(at + open.len()..).unwrap_or_default();
                let Some(end) = find(behind, close.as_bytes()) else { continue };
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

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The elements that are known; others are text.
const TAGS: [&str; 7] = ["start", "end", "time", "stage-progress", "progress", "name", "comment"];

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
            assert!(parser.held.len() <= HELD_BYTES);
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
}
