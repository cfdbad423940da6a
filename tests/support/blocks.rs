//! The blocks of code in texts for readers.
//!
//! `sh` is pasted into a shell, `json` is a job document or a report, `output` is what the blocks before it print.
//! `python` and `rust` have tests of their own. Whatever cannot run here has the reason in a comment before it, which
//! readers do not see: `<!-- not run: REASON -->`.

/// A block of code.
#[derive(Debug)]
pub(crate) struct Block<'t> {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) language: &'t str,
    pub(crate) text: &'t str,
    /// Why it is not run here.
    pub(crate) reason: Option<&'t str>,
}

/// The blocks of a text, in their order.
pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut parts = text.split("\n```");
    let mut before = parts.next().unwrap_or_default();
    let mut line = before.lines().count() + 1;
    let mut blocks = Vec::new();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').unwrap_or((block, ""));
        let last = before.trim_end().rsplit('\n').next().unwrap_or_default();
        let reason = last.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
        blocks.push(Block { line, language, text, reason });
        line += block.lines().count() + after.lines().count();
        before = after;
    }
    blocks
}
