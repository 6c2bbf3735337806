//! The text of an entry while it is written: bounded, and parted so that it can be read again.

use std::fmt::{self, Write};

use threadkeep_core::limits::{CUT_MARK, cut};

/// A text that takes no more than its limit.
#[derive(Debug)]
pub(crate) struct Text {
    written: String,
    /// Bytes without the mark that says that something was cut.
    limit: usize,
    is_cut: bool,
}

impl Text {
    /// An empty text that ends up with at most `bytes`, the mark of a cut included.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { written: String::new(), limit: bytes.saturating_sub(CUT_MARK.len()), is_cut: false }
    }

    /// As long as most messages are, so that most take one allocation.
    pub(crate) fn reserve(mut self, bytes: usize) -> Self {
        self.written.reserve(bytes);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.written.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    pub(crate) fn push(&mut self, part: &str) {
        // A text that is full takes nothing more, which is no fault of the writing.
        let _ = self.write_str(part);
    }

    /// Moves what was written from `start` on to the front.
    pub(crate) fn rotate(&mut self, start: usize) {
        let tail = self.written.split_off(start);
        self.written.insert_str(0, &tail);
    }

    /// A value, quoted where it has to be.
    pub(crate) fn push_value(&mut self, value: fmt::Arguments<'_>) {
        let start = self.written.len();
        // Where the value itself refuses to be written, what it wrote before stays.
        let _ = self.write_fmt(value);
        self.quote_from(start, is_special);
    }

    /// A name, quoted where it has to be.
    pub(crate) fn push_name(&mut self, name: &str) {
        let start = self.written.len();
        self.push(name);
        self.quote_from(start, is_special_in_name);
    }

    fn quote_from(&mut self, start: usize, is_special: fn(char) -> bool) {
        let word = &self.written[start..];
        if !word.is_empty() && !word.contains(is_special) {
            return;
        }
        let word = self.written.split_off(start);
        self.is_cut = false;
        // What does not fit now is cut again.
        let _ = write_quoted(self, &word);
    }

    /// The text, with the mark where something was cut.
    pub(crate) fn finish(mut self) -> String {
        if self.is_cut {
            self.written.push_str(CUT_MARK);
        }
        self.written
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        let fitting = cut(part, self.limit.saturating_sub(self.written.len()));
        self.written.push_str(fitting);
        self.is_cut = fitting.len() < part.len();
        // Whatever formats a very long value stops here.
        if self.is_cut { Err(fmt::Error) } else { Ok(()) }
    }
}

/// `word`, quoted where it has to be to be told from what is around it.
pub(crate) fn quoted(word: String) -> String {
    if !word.is_empty() && !word.contains(is_special) {
        return word;
    }
    let mut quoted = String::with_capacity(word.len() + 8);
    // Writing into a `String` cannot fail.
    let _ = write_quoted(&mut quoted, &word);
    quoted
}

fn write_quoted(to: &mut impl Write, word: &str) -> fmt::Result {
    to.write_char('"')?;
    for character in word.chars() {
        match character {
            '"' => to.write_str("\\\"")?,
            '\\' => to.write_str("\\\\")?,
            '\n' => to.write_str("\\n")?,
            '\r' => to.write_str("\\r")?,
            '\t' => to.write_str("\\t")?,
            _ if ends_a_line(character) => write!(to, "\\u{{{:x}}}", u32::from(character))?,
            _ => to.write_char(character)?,
        }
    }
    to.write_char('"')
}

/// Control characters, and what Unicode says ends a line or a paragraph.
fn ends_a_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

fn is_special(character: char) -> bool {
    matches!(character, '"' | '\\' | '{' | '}')
        || character.is_whitespace()
        || character.is_control()
}

fn is_special_in_name(character: char) -> bool {
    is_special(character) || matches!(character, '=' | ':' | '|')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let mut out = Text::new(1_000);
        out.push_value(format_args!("{text}"));
        out.finish()
    }

    #[test]
    fn values_are_quoted_where_they_have_to_be() {
        for (text, expected) in [
            ("plain-1.5/é=:|", "plain-1.5/é=:|"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("a\nb\r\t", "\"a\\nb\\r\\t\""),
            ("\u{1b}[2J\u{0}\u{85}\u{2028}", "\"\\u{1b}[2J\\u{0}\\u{85}\\u{2028}\""),
            ("{x}", "\"{x}\""),
            ("\u{a0}", "\"\u{a0}\""),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
            assert_eq!(quoted(text.to_owned()), expected, "{text:?}");
        }
        let mut out = Text::new(1_000);
        for name in ["a.b", "a:b", "a=b", "a|b", "a b"] {
            out.push_name(name);
        }
        assert_eq!(out.finish(), "a.b\"a:b\"\"a=b\"\"a|b\"\"a b\"");
    }

    #[test]
    fn a_text_never_grows_over_its_limit_and_is_marked_where_it_was_cut() {
        for limit in CUT_MARK.len()..60 {
            let mut out = Text::new(limit);
            out.push("message ");
            out.push_value(format_args!("{:é<9}", "\n"));
            out.push("end");
            let whole = "message \"\\néééééééé\"end";
            let text = out.finish();
            assert!(text.len() <= limit, "{limit}: {text}");
            if limit >= whole.len() + CUT_MARK.len() {
                assert_eq!(text, whole);
            } else {
                let kept = text.strip_suffix(CUT_MARK).unwrap();
                assert!(whole.starts_with(kept), "{limit}: {text}");
            }
        }
    }

    #[test]
    fn a_value_that_never_ends_is_not_formatted_to_its_end() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("on and on ")?;
                }
            }
        }
        let mut out = Text::new(100);
        out.push_value(format_args!("{Endless}"));
        assert!(out.finish().len() <= 100);
    }
}
