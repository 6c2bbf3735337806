//! Limits of what may be stored, the same on every backend.

use crate::{Error, Result};

/// Bytes of one text field or path.
pub const TEXT_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a thread's title; longer ones are cut on a character boundary.
pub const TITLE_BYTES: usize = 512;
/// Bytes of a thread's preview; longer ones are cut on a character boundary.
pub const PREVIEW_BYTES: usize = 4_096;
/// Bytes of one tool's JSON.
pub const TOOL_BYTES: usize = 4 * 1024 * 1024;
/// Nested objects and arrays in one tool's JSON.
pub const TOOL_DEPTH: usize = 128;
/// Tools of one thread.
pub const TOOLS: usize = 10_000;
/// Changes in one batch.
pub const BATCH_CHANGES: usize = 100_000;
/// Bytes of a log message; longer ones are cut on a character boundary and marked.
pub const LOG_MESSAGE_BYTES: usize = 1024 * 1024;
/// Items of one page.
pub const PAGE_ITEMS: usize = 1_000;

/// Checkpoints read at once.
pub const CHECKPOINTS: usize = 100_000;

/// What a cut log message ends with.
pub const CUT_MARK: &str = "… [cut]";

/// Checks how many checkpoints are asked for at once. Every store does so first.
pub fn check_checkpoint_limit(limit: usize) -> Result<()> {
    crate::query::check_limit(limit, CHECKPOINTS)
}

/// The longest beginning of `text` that has at most `bytes` bytes and ends between characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Cuts an owned text in place.
pub(crate) fn cut_in_place(text: &mut String, bytes: usize) {
    text.truncate(cut(text, bytes).len());
}

/// Fails where `len` is above `limit`, naming the field and both numbers.
pub(crate) fn check(field: &str, len: usize, limit: usize, unit: &str) -> Result<()> {
    if len <= limit {
        return Ok(());
    }
    Err(Error::invalid_input(format!("{field} has {len} {unit}, the limit is {limit}"))
        .hint(format!("shorten {field}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_ends_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 0), "");
    }
}
