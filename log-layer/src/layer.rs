//! The layer: from events to records.

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use threadkeep_core::LogStore;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record as SpanRecord};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::builder::LogLayerBuilder;
use crate::fields::EventFields;
use crate::filter::Admitted;
use crate::queue::{OtherPlace, Queue, Record};
use crate::spans::SpanFields;

/// The target of what came through the `log` crate, and what its fields about the place of the call
/// begin with.
const LOG_CRATE: (&str, &str) = ("log", "log.");

thread_local! {
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one whose events are never kept.
pub(crate) fn this_thread_writes() {
    WRITES.set(true);
}

fn is_writer() -> bool {
    // A thread that ends has no such value any more, and is no writer.
    WRITES.try_with(Cell::get).unwrap_or(false)
}

/// Takes what a program traces to a store of logs; see the [crate](crate).
///
/// The hot path takes no lock, waits for nobody and touches no store: it formats the event, where
/// the queue has room for it, and hands it over.
#[derive(Debug)]
pub struct LogLayer {
    /// `None` where everything is off.
    queue: Option<Queue>,
    admitted: Admitted,
}

impl LogLayer {
    /// A layer that keeps its entries in this store, which may be an `Arc` of one.
    pub fn builder(store: impl LogStore) -> LogLayerBuilder {
        LogLayerBuilder::new(Box::new(store))
    }

    pub(crate) fn new(queue: Option<Queue>, admitted: Admitted) -> Self {
        Self { queue, admitted }
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if self.queue.is_none() || is_writer() {
            return;
        }
        let Some(span) = context.span(id) else { return };
        // Values may trace themselves: nothing is locked while they are formatted.
        let mut fields = SpanFields::default();
        attributes.values().record(&mut fields);
        // Another layer of this kind says the same of the span.
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &Id, values: &SpanRecord<'_>, context: Context<'_, S>) {
        if self.queue.is_none() || is_writer() {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let mut later = SpanFields::default();
        values.record(&mut later);
        if let Some(fields) = span.extensions_mut().get_mut::<SpanFields>() {
            fields.update(&later);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(queue) = &self.queue else { return };
        if is_writer() {
            return;
        }
        let metadata = event.metadata();
        let mut place = None;
        if metadata.target() == LOG_CRATE.0 {
            let mut found = Box::new(OtherPlace::default());
            event.record(&mut *found);
            if found.target.as_deref().is_some_and(|target| self.admitted.excludes(target)) {
                return;
            }
            place = Some(found);
        }
        let Some(ticket) = queue.reserve() else { return };
        let time = SystemTime::now();
        let (message, thread_id) = text(event, &context, place.is_some());
        queue.send(ticket, Record { time, metadata, place, message, thread_id });
    }
}

/// The message, with the fields and the spans around the event, and whose it is.
fn text<S: Subscriber + for<'span> LookupSpan<'span>>(
    event: &Event<'_>,
    context: &Context<'_, S>,
    is_of_log_crate: bool,
) -> (Option<String>, Option<Arc<str>>) {
    let mut fields = EventFields::new(is_of_log_crate.then_some(LOG_CRATE.1));
    event.record(&mut fields);
    let EventFields { mut text, thread_id: own, has_message, .. } = fields;
    let mut of_span = None;
    let mut separator = if text.is_empty() && !has_message { "| " } else { " | " };
    let spans = context.event_scope(event).into_iter().flat_map(Scope::from_root);
    for span in spans {
        text.push(separator);
        separator = ":";
        text.push_name(span.name());
        let extensions = span.extensions();
        let Some(fields) = extensions.get::<SpanFields>() else { continue };
        if !fields.text().is_empty() {
            text.push("{");
            text.push(fields.text());
            text.push("}");
        }
        if own.is_none() && fields.thread_id.is_some() {
            of_span.clone_from(&fields.thread_id);
        }
    }
    let message = (has_message || !text.is_empty()).then(|| text.finish());
    (message, own.or(of_span))
}

impl Visit for OtherPlace {
    fn record_str(&mut self, field: &Field, value: &str) {
        let place = match field.name() {
            "log.target" => &mut self.target,
            "log.module_path" => &mut self.module_path,
            "log.file" => &mut self.file,
            _ => return,
        };
        *place = Some(value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "log.line" {
            self.line = u32::try_from(value).ok();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
