//! Nothing is stored that did not pass the redaction.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use common::{built, entries};
use threadkeep_core::hooks::{Fault, Faults, Hooked};
use threadkeep_core::{ErrorKind, LogEntry};
use threadkeep_memory::MemoryStore;
use threadkeep_tracing::{LogLayer, LogLayerBuilder};
use tracing::field::Empty;
use tracing::{error, info, info_span};

const SECRET: &str = "sk-live-0123456789";

fn without_secrets(builder: LogLayerBuilder) -> LogLayerBuilder {
    builder.redact(|text| {
        if text.contains(SECRET) {
            Cow::Owned(text.replace(SECRET, "[redacted]"))
        } else {
            Cow::Borrowed(text)
        }
    })
}

/// Logs the secret wherever one can be.
fn tell_everything() {
    info!("in the message: {SECRET}");
    info!(key = SECRET, "in a field");
    info!(key = ?Some(SECRET), "in a field as it is debugged");
    info!({ "sk-live-0123456789" } = 1, "in the name of a field");
    info!(thread_id = SECRET, "in the thread");
    info!(target: "sk-live-0123456789::module", "in the target");
    let span = info_span!("turn", key = SECRET, later = Empty, thread_id = SECRET);
    span.in_scope(|| info!("in a field of a span"));
    span.record("later", SECRET);
    span.in_scope(|| info!("recorded later"));
    info_span!("sk-live-0123456789").in_scope(|| info!("in the name of a span"));
    info!(
        target: "log",
        { log.target = SECRET, log.module_path = SECRET, log.file = SECRET },
        "in the place of a call to the log crate"
    );
}

fn assert_redacted(entries: &[LogEntry]) {
    assert!(!format!("{entries:?}").contains(SECRET), "{entries:?}");
    let redacted = |entry: &&LogEntry| format!("{entry:?}").contains("[redacted]");
    assert_eq!(entries.iter().filter(redacted).count(), entries.len());
}

#[test]
fn every_string_passes_the_redaction() {
    let store = MemoryStore::new();
    let builder = without_secrets(LogLayer::builder(store.clone())).process_id(SECRET);
    let (dispatch, guard) = built(builder);
    tracing::dispatcher::with_default(&dispatch, || {
        // What is remembered of a call site is redacted, too.
        tell_everything();
        tell_everything();
    });
    assert_eq!(guard.close().written, 20);
    assert_redacted(&entries(&store));
}

#[test]
fn modules_and_files_pass_the_redaction_and_so_does_what_the_layer_says_itself() {
    let store = MemoryStore::new();
    let faults = Arc::new(Faults::default());
    let hooked = Hooked::new(store.clone()).with_faults(Arc::clone(&faults));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = Arc::clone(&seen);
    let (dispatch, guard) =
        built(LogLayer::builder(hooked).process_id("agent").redact(move |text| {
            seeing.lock().unwrap().push(text.to_owned());
            Cow::Owned("x".into())
        }));
    faults.push("append", Fault::Before(ErrorKind::ReadOnly));
    tracing::dispatcher::with_default(&dispatch, || {
        error!("refused");
        guard.flush(common::LONG).unwrap();
        error!("kept");
    });
    drop(guard);
    let stored = entries(&store);
    assert_eq!(stored.len(), 2);
    for entry in &stored {
        let texts = [&entry.message, &entry.process_id].map(|text| text.clone().unwrap());
        assert_eq!((entry.target.as_str(), texts), ("x", ["x", "x"].map(String::from)));
    }
    assert_eq!(stored[1].module_path.as_deref(), Some("x"));
    assert_eq!(stored[1].file.as_deref(), Some("x"));
    let seen = seen.lock().unwrap();
    for text in ["refused", "kept", "agent", "threadkeep_tracing", module_path!(), file!()] {
        assert!(seen.iter().any(|seen| seen == text), "{text}");
    }
    assert!(seen.iter().any(|seen| seen.contains("the store refused them: read-only")));
}

#[test]
fn a_text_that_a_redaction_makes_too_long_is_cut_or_refused() {
    let store = MemoryStore::new();
    let (dispatch, guard) = built(LogLayer::builder(store.clone()).redact(|text| match text {
        "long" => Cow::Owned("x".repeat(2 * 1024 * 1024)),
        "long thread" => Cow::Owned("x".repeat(17 * 1024 * 1024)),
        _ => Cow::Borrowed(text),
    }));
    tracing::dispatcher::with_default(&dispatch, || {
        info!("long");
        info!(thread_id = "long thread", "refused alone");
        info!("short");
    });
    let counts = guard.close();
    assert_eq!((counts.written, counts.refused), (2, 1));
    let messages = common::messages(&store);
    assert_eq!(messages.len(), 3);
    assert!(messages[0].len() <= 1024 * 1024 && messages[0].ends_with("… [cut]"));
    assert_eq!(messages[1], "short");
    assert!(messages[2].starts_with("1 log entry was dropped: the store refused them: invalid"));
}
