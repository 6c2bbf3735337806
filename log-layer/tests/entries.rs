//! What is stored of an event.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fmt;
use std::time::SystemTime;

use common::{built, logged, logged_with, message};
use threadkeep_core::{LogLevel, limits};
use threadkeep_memory::MemoryStore;
use threadkeep_tracing::LogLayer;
use tracing::field::Empty;
use tracing::{Level, debug, error, event, info, info_span, trace, trace_span, warn};

#[test]
fn an_entry_has_what_the_call_has() {
    let before = SystemTime::now();
    let entries = logged_with(
        |builder| builder.level(tracing_subscriber::filter::LevelFilter::TRACE),
        || {
            error!(target: "one::two", "failed");
            warn!("look");
            info!("so it is");
            debug!("why");
            trace!("how");
        },
    )
    .0;
    assert_eq!(
        entries.iter().map(|entry| entry.level).collect::<Vec<_>>(),
        LogLevel::ALL.into_iter().rev().collect::<Vec<_>>()
    );
    let entry = &entries[0];
    assert_eq!((entry.target.as_str(), entry.message.as_deref()), ("one::two", Some("failed")));
    assert_eq!(entry.module_path.as_deref(), Some(module_path!()));
    assert_eq!(entry.file.as_deref(), Some(file!()));
    assert!(entry.line.is_some_and(|line| line > 20 && line < 30));
    assert_eq!(entry.thread_id, None);
    assert!(entry.time >= before.into() && entry.time <= SystemTime::now().into());
    assert!(entries.iter().skip(1).all(|entry| entry.target == module_path!()));
    let line = |at: usize| entries[at].line.unwrap();
    assert!((1..5).all(|at| line(at) == line(0) + u32::try_from(at).unwrap()));
}

#[test]
fn the_process_is_told_from_other_runs() {
    let process = |entries: Vec<threadkeep_core::LogEntry>| entries[0].process_id.clone().unwrap();
    let own = process(logged(|| info!("here")));
    let rest = own.strip_prefix(&format!("pid:{}:", std::process::id())).unwrap();
    let millis: u128 = rest.parse().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    assert!(millis <= now && now - millis < 60_000, "{own}");

    let set = logged_with(|builder| builder.process_id("agent-7"), || info!("here")).0;
    assert_eq!(process(set), "agent-7");

    let too_long = "x".repeat(limits::TEXT_BYTES + 1);
    let error = LogLayer::builder(MemoryStore::new())
        .process_id(too_long)
        .build::<tracing_subscriber::Registry>()
        .err()
        .unwrap();
    assert_eq!(error.kind(), threadkeep_core::ErrorKind::InvalidInput);
    assert!(error.hint_text().is_some());
}

#[derive(Debug)]
struct Failed(Option<Box<Failed>>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "cannot start" } else { "no such file" })
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = source;
            source
        })
    }
}

/// An expression that logs, and what is stored of it.
macro_rules! forms {
    ($($log:expr => $expected:expr,)*) => {
        $(assert_eq!(message(|| $log), $expected, "{}", stringify!($log));)*
    };
}

#[test]
fn a_message_comes_first_then_its_fields() {
    let failed = Failed(Some(Box::new(Failed(None))));
    let failed: &(dyn std::error::Error + 'static) = &failed;
    let absent: Option<u8> = None;
    forms! {
        info!("plain") => "plain",
        info!("") => "",
        info!("with {} in it\nand lines", 1) => "with 1 in it\nand lines",
        info!(a = 1, b = -1.5, c = true, d = ?'x', "m") => "m a=1 b=-1.5 c=true d='x'",
        info!(a = "word", b = "two words", c = "", "m") => "m a=word b=\"two words\" c=\"\"",
        info!(a = "line\nline \u{1b}[31m", "m") => "m a=\"line\\nline \\u{1b}[31m\"",
        info!(a = ?Some("x"), b = %"x", c = ?[1, 2], "m") => "m a=\"Some(\\\"x\\\")\" b=x c=\"[1, 2]\"",
        info!(a = "one") => "a=one",
        info!(a = 1, "") => " a=1",
        info!(a = absent, b = Some(2), "m") => "m b=2",
        info!(error = failed, "m") => "m error=\"cannot start: no such file\"",
        info!({ "odd name" = 1, r#type = 2, a.b = 3 }, "m") => "m \"odd name\"=1 type=2 a.b=3",
        event!(Level::INFO, a = 1, message = "m") => "m a=1",
        event!(Level::INFO, a = 1, message = "m", b = 2) => "m a=1 b=2",
    }
    let nothing = logged(|| event!(Level::INFO, thread_id = "t"));
    assert_eq!((nothing[0].message.as_deref(), nothing[0].thread_id.as_deref()), (None, Some("t")));
}

#[test]
fn the_spans_around_come_last_the_outermost_first() {
    forms! {
        info_span!("turn").in_scope(|| info!("m")) => "m | turn",
        info_span!("turn", a = 1, b = "x y").in_scope(|| info!("m")) => "m | turn{a=1 b=\"x y\"}",
        info_span!("turn", a = 1).in_scope(|| info_span!("tool", c = "}").in_scope(|| info!(d = 2, "m")))
            => "m d=2 | turn{a=1}:tool{c=\"}\"}",
        info_span!("HTTP request: x").in_scope(|| info!(a = 1)) => "a=1 | \"HTTP request: x\"",
        info_span!("turn").in_scope(|| event!(Level::INFO, thread_id = 1)) => "| turn",
        info_span!("turn", thread_id = 1, a = 2).in_scope(|| info!("m")) => "m | turn{a=2}",
        info_span!("around").in_scope(|| info!(parent: &info_span!("named"), "m"))
            => "m | around:named",
        info_span!("around").in_scope(|| info!(parent: None, "m")) => "m",
    }
    let recorded = message(|| {
        let span = info_span!("turn", a = Empty, b = 1);
        span.record("a", "x y");
        span.record("b", 2);
        span.in_scope(|| info!("m"));
    });
    assert_eq!(recorded, "m | turn{a=\"x y\" b=2}");
}

#[test]
fn a_thread_is_that_of_the_event_else_of_the_nearest_span() {
    let thread = |work: &dyn Fn()| logged(work)[0].thread_id.clone();
    let outer = || info_span!("outer", thread_id = "outer");
    assert_eq!(thread(&|| info!("m")), None);
    assert_eq!(thread(&|| info!(thread_id = "t", "m")).as_deref(), Some("t"));
    assert_eq!(thread(&|| info!(thread_id = 7, "m")).as_deref(), Some("7"));
    assert_eq!(thread(&|| info!(thread_id = %"t u", "m")).as_deref(), Some("t u"));
    assert_eq!(thread(&|| info!(thread_id = "", "m")), None);
    assert_eq!(thread(&|| outer().in_scope(|| info!("m"))).as_deref(), Some("outer"));
    assert_eq!(
        thread(&|| outer().in_scope(|| info!(thread_id = "own", "m"))).as_deref(),
        Some("own")
    );
    assert_eq!(
        thread(&|| outer().in_scope(|| info_span!("between", a = 1).in_scope(|| info!("m"))))
            .as_deref(),
        Some("outer")
    );
    let inner = || info_span!("inner", thread_id = "inner");
    assert_eq!(
        thread(&|| outer().in_scope(|| inner().in_scope(|| info!("m")))).as_deref(),
        Some("inner")
    );
    let later = |value: &'static str| {
        let span = info_span!("later", thread_id = Empty);
        span.record("thread_id", value);
        outer().in_scope(|| span.in_scope(|| info!(parent: &span, "m")));
    };
    assert_eq!(thread(&|| later("later")).as_deref(), Some("later"));
    // Spans below the level name threads, too.
    let fine = || trace_span!("fine", thread_id = "fine");
    assert_eq!(thread(&|| fine().in_scope(|| info!("m"))).as_deref(), Some("fine"));
    let long = "x".repeat(5_000);
    assert_eq!(thread(&|| info!(thread_id = long, "m")).map(|id| id.len()), Some(1_024));
}

#[test]
fn what_comes_from_the_log_crate_has_its_own_place() {
    let entries = logged(|| {
        info!(
            target: "log",
            { log.target = "hyper::client", log.module_path = "hyper::client::pool",
              log.file = "pool.rs", log.line = 12_u64, a = 1 },
            "connected"
        );
        info!(target: "log", { log.target = "sqlx::query" }, "never kept");
    });
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry.target, "hyper::client");
    assert_eq!(entry.module_path.as_deref(), Some("hyper::client::pool"));
    assert_eq!((entry.file.as_deref(), entry.line), (Some("pool.rs"), Some(12)));
    assert_eq!(entry.message.as_deref(), Some("connected a=1"));
}

#[test]
fn long_texts_are_cut_and_marked() {
    let long = "é".repeat(limits::LOG_MESSAGE_BYTES);
    let whole = message(|| info!(a = 1, "{long}"));
    assert!(whole.len() <= limits::LOG_MESSAGE_BYTES, "{}", whole.len());
    assert!(whole.len() > limits::LOG_MESSAGE_BYTES - 100);
    assert!(whole.ends_with(limits::CUT_MARK));

    let field = message(|| info!(a = %long, "m"));
    assert!(field.starts_with("m a=é") && field.ends_with(limits::CUT_MARK));
    assert!(field.len() <= limits::LOG_MESSAGE_BYTES);

    let span = message(|| info_span!("turn", a = %long, b = 1).in_scope(|| info!("m")));
    assert!(span.len() < 10_000, "{}", span.len());
    assert!(span.starts_with("m | turn{a=\"ééé") && span.ends_with("… [cut]\" b=\"… [cut]\"}"));
}

/// Traces while it is formatted, as a value of a client that traces does.
struct Chatty;

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("from within");
        f.write_str("chatty")
    }
}

#[test]
fn values_may_trace_themselves() {
    let entries = logged(|| {
        let span = info_span!("turn", a = %Chatty);
        span.in_scope(|| {
            span.record("a", tracing::field::display(Chatty));
            info!(b = %Chatty, "m");
        });
    });
    let messages: Vec<_> = entries.iter().filter_map(|entry| entry.message.as_deref()).collect();
    // What is traced within the handing over of another event is mostly passed over by tracing.
    assert_eq!(messages.last(), Some(&"m b=chatty | turn{a=chatty}"));
}

#[test]
fn two_layers_in_one_subscriber_say_the_same() {
    use tracing_subscriber::layer::SubscriberExt as _;

    let stores = [MemoryStore::new(), MemoryStore::new()];
    let (one, one_guard) = LogLayer::builder(stores[0].clone()).build().unwrap();
    let (other, other_guard) = LogLayer::builder(stores[1].clone()).build().unwrap();
    let subscriber = tracing_subscriber::registry().with(one).with(other);
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("turn", a = Empty, b = 2);
        span.record("a", 1);
        span.in_scope(|| info!("m"));
    });
    drop((one_guard, other_guard));
    for store in &stores {
        assert_eq!(common::messages(store), ["m | turn{b=2 a=1}"]);
    }
}

#[test]
fn any_pointer_to_a_store_will_do() {
    let store = std::sync::Arc::new(MemoryStore::new());
    let of_dyn: std::sync::Arc<dyn threadkeep_core::LogStore> = store.clone();
    let whole: std::sync::Arc<dyn threadkeep_core::Store> = store.clone();
    let guards = [
        built(LogLayer::builder(std::sync::Arc::clone(&store))),
        built(LogLayer::builder(of_dyn)),
        built(LogLayer::builder(whole)),
    ]
    .map(|(dispatch, guard)| {
        tracing::dispatcher::with_default(&dispatch, || info!("m"));
        guard
    });
    drop(guards);
    assert_eq!(common::messages(&*store).len(), 3);
}
