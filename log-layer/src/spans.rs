//! What a span adds to the entries inside of it.

use std::error::Error;
use std::fmt::{Arguments, Debug};
use std::sync::Arc;

use threadkeep_core::limits::CUT_MARK;
use tracing_core::field::{Field, Visit};

use crate::fields::{Chain, THREAD_ID, thread_id};
use crate::text::{Text, quoted};

/// Bytes of the values of one span; what is behind them is cut.
const SPAN_BYTES: usize = 8 * 1024;

/// The fields of a span, formatted once and kept with it.
#[derive(Debug, Default)]
pub(crate) struct SpanFields {
    /// `a=1 b=2`.
    text: String,
    /// Where in the text each field begins.
    starts: Vec<(&'static str, usize)>,
    pub(crate) thread_id: Option<Arc<str>>,
}

impl SpanFields {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Takes over what was recorded later: a field that was there has its new value only.
    pub(crate) fn update(&mut self, later: &Self) {
        if later.thread_id.is_some() {
            self.thread_id.clone_from(&later.thread_id);
        }
        for (at, (name, start)) in later.starts.iter().enumerate() {
            let end = later.starts.get(at + 1).map_or(later.text.len(), |(_, next)| next - 1);
            self.remove(name);
            if self.text.len() + (end - start) <= SPAN_BYTES {
                self.push(name, &later.text[*start..end]);
            } else {
                self.push_value(name, CUT_MARK.to_owned());
            }
        }
    }

    fn remove(&mut self, name: &str) {
        let Some(at) = self.starts.iter().position(|(known, _)| *known == name) else { return };
        let (_, start) = self.starts.remove(at);
        // The separator goes with the field: that behind it, or that before the last one.
        let (start, end) = match self.starts.get(at) {
            Some((_, next)) => (start, *next),
            None => (start.saturating_sub(1), self.text.len()),
        };
        self.text.replace_range(start..end, "");
        for (_, later) in self.starts.iter_mut().skip(at) {
            *later -= end - start;
        }
    }

    fn push(&mut self, name: &'static str, field: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.starts.push((name, self.text.len()));
        self.text.push_str(field);
    }

    fn push_value(&mut self, name: &'static str, value: String) {
        let mut key = Text::new(usize::MAX);
        key.push_name(name);
        key.push("=");
        let mut field = key.finish();
        field.push_str(&quoted(value));
        self.push(name, &field);
    }

    fn value(&mut self, field: &Field, value: Arguments<'_>) {
        if field.name() == THREAD_ID {
            self.thread_id = thread_id(value);
            return;
        }
        // The value is cut before it is quoted, so that the quotes stay whole.
        let room = SPAN_BYTES.saturating_sub(self.text.len());
        let mut text = Text::new(room + CUT_MARK.len());
        // A text that is full takes nothing more, which is no fault of the writing.
        let _ = std::fmt::Write::write_fmt(&mut text, value);
        self.push_value(field.name(), text.finish());
    }
}

impl Visit for SpanFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.value(field, format_args!("{}", Chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.value(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&'static str, &str)]) -> SpanFields {
        let mut fields = SpanFields::default();
        for (name, value) in of {
            fields.push_value(name, (*value).to_owned());
        }
        fields
    }

    #[test]
    fn what_is_recorded_later_takes_the_place_of_what_was_there() {
        let mut of = fields(&[("a", "1"), ("b", "two words"), ("c", "3")]);
        assert_eq!(of.text(), "a=1 b=\"two words\" c=3");
        for (later, expected) in [
            (&[("b", "2")][..], "a=1 c=3 b=2"),
            (&[("b", "22")], "a=1 c=3 b=22"),
            (&[("a", "x y"), ("d", "4")], "c=3 b=22 a=\"x y\" d=4"),
            (&[("d", "5"), ("c", ""), ("b", ""), ("a", "")], "d=5 c=\"\" b=\"\" a=\"\""),
        ] {
            of.update(&fields(later));
            assert_eq!(of.text(), expected);
        }
        let mut one = fields(&[("a", "1")]);
        one.update(&fields(&[("a", "2")]));
        assert_eq!(one.text(), "a=2");
    }

    #[test]
    fn a_span_stays_small_however_often_it_is_recorded() {
        let long = "x".repeat(SPAN_BYTES - 10);
        let mut of = fields(&[("a", &long)]);
        of.update(&fields(&[("b", &long), ("c", "")]));
        let after_a = &of.text()["a=".len() + long.len()..];
        assert_eq!(after_a, " b=\"… [cut]\" c=\"… [cut]\"");
        of.update(&fields(&[("a", "")]));
        of.update(&fields(&[("b", "whole again")]));
        assert_eq!(of.text(), "c=\"… [cut]\" a=\"\" b=\"whole again\"");
    }
}
