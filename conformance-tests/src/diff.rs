//! Comparing two answers, and showing where they part.

use std::fmt::{Debug, Write as _};

use similar::{ChangeTag, TextDiff};

use crate::lab::{Failure, Verdict};

/// Longer lines lose their middle: a text of 16 MiB says no more than its ends do.
const LINE_BYTES: usize = 400;
/// Lines of context around a difference.
const CONTEXT: usize = 3;

/// Fails where the backend's answer is not the expected one.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, backend: &T, expected: &T) -> Verdict {
    if backend == expected {
        return Ok(());
    }
    let expected = shortened(&format!("{expected:#?}"));
    let backend = shortened(&format!("{backend:#?}"));
    let mut text = format!("{what}\n  - as the contract says\n  + as the backend answers\n");
    let diff = TextDiff::from_lines(&expected, &backend);
    for group in diff.grouped_ops(CONTEXT) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {sign} {}", change.value().trim_end_matches('\n'));
        }
    }
    Err(Failure::new(text.trim_end()))
}

/// The text with the middle of its long lines left out.
pub(crate) fn shortened(text: &str) -> String {
    text.lines().map(|line| short(line) + "\n").collect()
}

fn short(line: &str) -> String {
    if line.len() <= LINE_BYTES {
        return line.to_owned();
    }
    let begin = &line[..line.floor_char_boundary(LINE_BYTES / 2)];
    let end = &line[line.ceil_char_boundary(line.len() - LINE_BYTES / 4)..];
    let left_out = line.len() - begin.len() - end.len();
    format!("{begin}…({left_out} bytes)…{end}")
}
