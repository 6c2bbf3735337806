//! From the fields of an event to text.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use threadkeep_core::limits::{self, cut};
use tracing_core::field::{Field, Visit};

use crate::text::Text;

/// The field that names an entry's thread.
pub(crate) const THREAD_ID: &str = "thread_id";
/// Bytes of a thread's id; it is cut behind them.
const THREAD_ID_BYTES: usize = 1_024;
/// Bytes that most texts of events fit in.
const USUAL_BYTES: usize = 192;

/// What the fields of an event say.
pub(crate) struct EventFields {
    pub(crate) text: Text,
    pub(crate) thread_id: Option<Arc<str>>,
    /// Whether there is a message, if only an empty one.
    pub(crate) has_message: bool,
    /// Fields named so are about the place of the call and are no text.
    passed_over: &'static str,
}

impl EventFields {
    /// `passed_over` is what the names of fields begin with that are no text.
    pub(crate) fn new(passed_over: Option<&'static str>) -> Self {
        Self {
            text: Text::new(limits::LOG_MESSAGE_BYTES).reserve(USUAL_BYTES),
            thread_id: None,
            has_message: false,
            // No name begins so.
            passed_over: passed_over.unwrap_or("\0"),
        }
    }

    fn value(&mut self, field: &Field, value: std::fmt::Arguments<'_>) {
        match field.name() {
            THREAD_ID => self.thread_id = thread_id(value),
            "message" => {
                let start = self.text.len();
                // A text that is full takes nothing more, which is no fault of the writing.
                let _ = std::fmt::Write::write_fmt(&mut self.text, value);
                self.has_message = true;
                if start > 0 {
                    self.text.push(" ");
                    self.text.rotate(start);
                }
            }
            name if name.starts_with(self.passed_over) => {}
            name => {
                // A message, and an empty one too, is parted from what comes behind it.
                if !self.text.is_empty() || self.has_message {
                    self.text.push(" ");
                }
                self.text.push_name(name);
                self.text.push("=");
                self.text.push_value(value);
            }
        }
    }
}

impl Visit for EventFields {
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

/// The id of a thread that a field has; an empty one is none.
pub(crate) fn thread_id(value: std::fmt::Arguments<'_>) -> Option<Arc<str>> {
    let mut text = Text::new(THREAD_ID_BYTES + limits::CUT_MARK.len());
    let _ = std::fmt::Write::write_fmt(&mut text, value);
    let text = text.finish();
    let id = cut(&text, THREAD_ID_BYTES);
    (!id.is_empty()).then(|| id.into())
}

/// An error and what lies underneath it, in one line of thought.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
