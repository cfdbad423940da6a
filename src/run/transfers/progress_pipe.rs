//! The lines of a `ProgressPipe`: JSON objects with `total`, `current`, `message`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::event::JobProgress;
use crate::pump::Listen;

/// Takes how far the container is.
pub(crate) type TellProgress = Arc<dyn Fn(JobProgress) + Send + Sync>;

/// Makes progress of lines, over any split of the bytes. A line that is none is counted.
pub(crate) struct ProgressLines {
    line: Vec<u8>,
    /// Of a line that is too long, the rest is not kept.
    is_too_long: bool,
    bad: Arc<AtomicU64>,
    tell: TellProgress,
}

impl ProgressLines {
    /// `bad` counts lines that say nothing.
    pub(crate) fn new(bad: Arc<AtomicU64>, tell: TellProgress) -> Self {
        Self { line: Vec::new(), is_too_long: false, bad, tell }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let is_too_long = std::mem::replace(&mut self.is_too_long, false);
        if line.trim_ascii().is_empty() && !is_too_long {
            return;
        }
        match progress(&line) {
            Some(progress) if !is_too_long => (self.tell)(progress),
            _ => {
                self.bad.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Listen for ProgressLines {
    fn hear(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            if self.line.len() + text.len() > LINE_BYTES {
                self.is_too_long = true;
                self.line.clear();
            }
            if !self.is_too_long {
                self.line.extend_from_slice(text);
            }
            if text.len() < piece.len() {
                self.end_line();
            }
        }
    }

    fn ended(&mut self) {
        // The last line may have no end.
        self.end_line();
    }
}

/// What a line says; `None` if it is not an object, says nothing, or something of another type.
fn progress(line: &[u8]) -> Option<JobProgress> {
    let Value::Object(members) = serde_json::from_slice(line).ok()? else { return None };
    let member = |name| members.get(name).filter(|value| !value.is_null());
    let number = |name| match member(name) {
        None => Some(None),
        Some(value) => value.as_f64().filter(|number| number.is_finite()).map(Some),
    };
    let message = match member("message") {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => return None,
    };
    let progress = JobProgress { total: number("total")?, current: number("current")?, message };
    (progress != JobProgress::default()).then_some(progress)
}

/// The longest line. Real ones are below 1 KiB.
const LINE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn heard(pieces: &[&[u8]]) -> (Vec<JobProgress>, u64) {
        let (bad, told) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let tell: TellProgress = {
            let told = Arc::clone(&told);
            Arc::new(move |progress| told.lock().unwrap().push(progress))
        };
        let mut lines = ProgressLines::new(Arc::clone(&bad), tell);
        pieces.iter().for_each(|piece| lines.hear(piece));
        lines.ended();
        let told = told.lock().unwrap().clone();
        (told, bad.load(Ordering::Relaxed))
    }

    fn of(total: Option<f64>, current: Option<f64>, message: Option<&str>) -> JobProgress {
        JobProgress { total, current, message: message.map(str::to_owned) }
    }

    #[test]
    fn lines_are_progress_at_every_split() {
        let text = "{\"total\": 10, \"current\": 2.5, \"message\": \"caf\u{e9}\"}\r\n\n\
                    {\"message\": \"end\", \"total\": null}";
        let expected =
            vec![of(Some(10.0), Some(2.5), Some("caf\u{e9}")), of(None, None, Some("end"))];
        for at in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(at);
            assert_eq!(heard(&[first, second]), (expected.clone(), 0), "split at {at}");
        }
    }

    #[test]
    fn bad_lines_are_counted_and_the_good_ones_heard() {
        let long = vec![b'x'; LINE_BYTES * 3];
        let lines: [&[u8]; 7] = [
            b"nonsense\n[1]\n{}\n{\"total\": \"1\"}\n{\"message\": 1}\n",
            &long,
            &long,
            b"\n",
            b"\xff\xfe\n",
            b"{\"current\": 1}\n",
            b"{\"curr",
        ];
        assert_eq!(heard(&lines), (vec![of(None, Some(1.0), None)], 8));
    }
}
