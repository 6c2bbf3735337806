//! Text of others made fit for one line of a terminal or of a file, and numbers for people.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Whether a terminal would act on the character instead of showing it: control characters, and
/// those that turn the direction of the text around or end a line.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A field of a tab-separated line: everything that could end it, or act on a terminal, is
/// escaped, and so is the backslash, so that the text can be had back.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c == '\\' || acts(c)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            c => push_visible(&mut escaped, c),
        }
    }
    Cow::Owned(escaped)
}

/// The text for people, in its lines and with its tabs: what else would act on a terminal is made
/// visible.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let plain = |c: char| matches!(c, '\n' | '\t') || !acts(c);
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if plain(c) { visible.push(c) } else { push_visible(&mut visible, c) }
    }
    Cow::Owned(visible)
}

/// The text for people, on one line: white space runs become one space, and what would act on a
/// terminal is made visible.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c == ' ' || !(c.is_whitespace() || acts(c));
    if text.chars().all(plain) && !text.contains("  ") && text.trim() == text {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        word.chars().for_each(|c| push_visible(&mut line, c));
    }
    Cow::Owned(line)
}

fn push_visible(text: &mut String, c: char) {
    if acts(c) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
    } else {
        text.push(c);
    }
}

/// The beginning of a text that is wider than `width`, before a mark.
pub(crate) fn keep_start(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let end =
        text.char_indices().take_while(fits(width)).last().map_or(0, |(at, c)| at + c.len_utf8());
    Cow::Owned(format!("{}…", text[..end].trim_end()))
}

/// The end of a text that is wider than `width`, after a mark: of a path, the end tells most.
pub(crate) fn keep_end(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let start = text.char_indices().rev().take_while(fits(width)).last();
    Cow::Owned(format!("…{}", start.map_or("", |(at, _)| &text[at..])))
}

/// Whether another character still fits, beside a mark, into `width`.
fn fits(width: usize) -> impl FnMut(&(usize, char)) -> bool {
    let mut left = width.saturating_sub(1);
    move |(_, c)| {
        let rest = left.checked_sub(c.width().unwrap_or(0));
        left = rest.unwrap_or(0);
        rest.is_some()
    }
}

/// A path for people, with `~` for their home folder.
pub(crate) fn path(path: &Path) -> String {
    if let Some(home) = std::env::home_dir()
        && home.components().count() > 1
        && let Ok(rest) = path.strip_prefix(&home)
    {
        return if rest.as_os_str().is_empty() {
            "~".into()
        } else {
            format!("~/{}", threadkeep::path::to_text(rest))
        };
    }
    threadkeep::path::to_text(path).into_owned()
}

/// `1 file`, `1,204 files`.
pub(crate) fn count(count: impl TryInto<u64>, one: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", number(count))
}

/// A number with a comma after each three digits.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 B`, `36.8 MB`: decimal units.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    // In tenths of a unit, so that no rounding in floating point is needed.
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, None);
    while tenths >= 9_995 && unit.is_none_or(|at| at + 1 < UNITS.len()) {
        tenths = (tenths + 500) / 1_000;
        unit = Some(unit.map_or(0, |at| at + 1));
    }
    match unit {
        None => format!("{bytes} B"),
        Some(at) => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[at]),
    }
}

/// `0.21 s`, or milliseconds where that says more.
pub(crate) fn duration(duration: Duration) -> String {
    if duration < Duration::from_millis(100) {
        format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal_or_ends_a_line() {
        let hostile = "a\x1b[2J\u{9b}1m\tb\nc\\d\u{202e}e\u{7f}";
        assert_eq!(escape(hostile), r"a\u{1b}[2J\u{9b}1m\tb\nc\\d\u{202e}e\u{7f}");
        assert_eq!(one_line(hostile), r"a\u{1b}[2J\u{9b}1m b c\d\u{202e}e\u{7f}");
        assert_eq!(visible(hostile), "a\\u{1b}[2J\\u{9b}1m\tb\nc\\d\\u{202e}e\\u{7f}");
        assert_eq!(one_line("  two \r\n words "), "two words");
        assert!(matches!(one_line("plain text"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_start_of_a_title_stays() {
        assert_eq!(keep_start("Fix it", 6), "Fix it");
        assert_eq!(keep_start("Fix the build", 5), "Fix…");
        assert_eq!(keep_start("多行题目", 6), "多行…");
        assert_eq!(keep_start("abc", 0), "…");
    }

    #[test]
    fn the_end_of_a_path_stays() {
        assert_eq!(keep_end("/srv/app", 8), "/srv/app");
        assert_eq!(keep_end("/home/mira/src/tide-table", 10), "…ide-table");
        assert_eq!(keep_end("/家/猫猫", 4), "…猫");
        assert_eq!(keep_end("abc", 1), "…");
        assert_eq!(keep_end("abc", 0), "…");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(count(1_u64, "file"), "1 file");
        assert_eq!(count(1_234_567_usize, "file"), "1,234,567 files");
        for (value, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_049, "1.0 kB"),
            (1_050, "1.1 kB"),
            (36_812_345, "36.8 MB"),
            (999_960, "1.0 MB"),
            (u64::MAX / 10, "1844.7 PB"),
        ] {
            assert_eq!(bytes(value), expected);
        }
        assert_eq!(duration(Duration::from_micros(1_240)), "1.2 ms");
        assert_eq!(duration(Duration::from_millis(210)), "0.21 s");
    }
}
