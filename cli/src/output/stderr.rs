//! Lines on stderr. That they cannot be written is nothing one could still tell.

use std::io::{self, Write as _};

use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::{json, text};

/// A line of text.
pub(crate) fn line(line: &str) {
    let _ = writeln!(anstream::stderr(), "{}", text::one_line(line));
}

/// A line that may be passed over.
pub(super) fn faint(line: &str) {
    let _ = writeln!(anstream::stderr(), "{}", text::one_line(line).dimmed());
}

/// An object as one line of JSON.
pub(crate) fn object(object: &impl Serialize) {
    if let Ok(line) = json::line(object) {
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// Something the reader should know, and what to do about it.
pub(super) fn note(note: &str, hint: Option<&str>) {
    let _ = writeln!(anstream::stderr(), "{} {}", "note:".cyan(), text::one_line(note));
    hint.into_iter().for_each(tell_hint);
}

/// An error, what belongs to it, and what to do about it.
pub(crate) fn error(message: &str, lines: &[String], hint: &str) {
    let message = text::one_line(message);
    let _ = writeln!(anstream::stderr(), "{} {message}", "threadkeep:".red().bold());
    for line in lines {
        let _ = writeln!(anstream::stderr(), "  {}", text::one_line(line));
    }
    tell_hint(hint);
}

fn tell_hint(hint: &str) {
    let _ = writeln!(anstream::stderr(), "  {} {}", "hint:".bold(), text::one_line(hint));
}
