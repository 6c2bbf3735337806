//! Whatever stands between a caller and a store, every call arrives and every answer comes back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod small_store;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
};
use metrics::{SharedString, Unit};
use small_store::{SmallStore, now};
use threadkeep_core::hooks::{Call, Fault, Faults, Hook, Hooked, Spy};
use threadkeep_core::{
    Capability, Change, DynamicToolSpec, Effect, Error, ErrorKind, LogEntry, LogFilter, LogLevel,
    LogQuery, Result, Retention, Store, ThreadId, ThreadQuery, ThreadSeed, Timestamp, WriteBatch,
};

const ID: ThreadId = ThreadId::from_bytes([7; 16]);
const OPERATIONS: [&str; 14] = [
    "write",
    "threads",
    "list",
    "list_ids",
    "checkpoints",
    "dynamic_tools",
    "append",
    "query",
    "max_log_id",
    "prune",
    "stats",
    "check",
    "maintain",
    "backup",
];

fn tool() -> DynamicToolSpec {
    DynamicToolSpec::function("t", "", "{}").unwrap()
}

fn entry(second: i64) -> LogEntry {
    LogEntry::new(DateTime::from_timestamp(second, 0).unwrap(), LogLevel::Info, "t", "m")
}

/// Makes every call once and looks at every answer.
fn use_everything(store: &dyn Store) {
    let row = ThreadSeed::new(ID, "/sessions/a.jsonl", Timestamp::MIN).into_metadata();
    let batch = WriteBatch::from(Change::Put(Box::new(row))).and(Change::SetTools {
        id: ID,
        tools: vec![tool()],
        replace: false,
    });
    let outcomes = now(store.write(batch)).unwrap();
    assert_eq!(
        outcomes.iter().map(|o| o.effect).collect::<Vec<_>>(),
        [Effect::Created, Effect::Updated]
    );
    assert_eq!(now(store.threads(vec![ID])).unwrap()[0].as_ref().unwrap().revision, 2);
    assert_eq!(now(store.list(ThreadQuery::everything())).unwrap().items[0].id, ID);
    assert_eq!(now(store.list_ids(ThreadQuery::everything())).unwrap().items, [ID]);
    let checkpoints = now(store.checkpoints("p".into(), Some("a".into()), 3)).unwrap();
    assert_eq!(checkpoints[0].value, r#"p Some("a") 3"#);
    assert_eq!(now(store.dynamic_tools(ID)).unwrap(), Some(vec![tool()]));
    let ids = now(store.append((1..=3).map(entry).collect())).unwrap().unwrap();
    assert_eq!((ids.first, ids.last), (1, 3));
    let page = now(store.query(LogQuery::new(LogFilter::new()))).unwrap();
    assert_eq!(page.items.len(), 3);
    assert_eq!(now(store.max_log_id(LogFilter::new())).unwrap(), 3);
    let pruned = now(store.prune(Retention::before(entry(3).time), Duration::MAX)).unwrap();
    assert_eq!(pruned.rows, 2);
    assert!(store.capabilities().has(Capability::Backup));
    assert_eq!(now(store.stats()).unwrap().threads, 1);
    assert_eq!(now(store.check()).unwrap().threads, 1);
    assert!(now(store.maintain(Duration::from_secs(9))).unwrap().done);
    now(store.backup("/b".into())).unwrap();
    now(store.flush()).unwrap();
    now(store.close()).unwrap();
}

const UPKEEP: [&str; 4] = ["maintain for 9s", "backup to /b", "flush", "close"];

#[test]
fn a_pointer_to_a_store_is_the_store() {
    let shared = Arc::new(SmallStore::default());
    use_everything(&Arc::clone(&shared));
    assert_eq!(shared.upkeep(), UPKEEP);
    let boxed: Box<dyn Store> = Box::new(SmallStore::default());
    use_everything(&boxed);
    let leaked: &'static SmallStore = Box::leak(Box::new(SmallStore::default()));
    use_everything(&leaked);
    assert_eq!(leaked.upkeep(), UPKEEP);
}

#[test]
fn a_hooked_store_is_the_store_and_its_spy_sees_every_call() {
    let spy = Arc::new(Spy::default());
    let store = Hooked::new(SmallStore::default()).with(Arc::clone(&spy));
    use_everything(&store);
    assert_eq!(store.inner().upkeep(), UPKEEP);
    let calls = spy.take();
    let operations: Vec<_> = calls.iter().map(|(call, _)| call.operation).collect();
    assert_eq!(operations, [&OPERATIONS[..], &["flush", "close"]].concat());
    let writing = ["write", "append", "prune", "maintain", "flush", "close"];
    for (call, error) in calls {
        assert_eq!(call.writes, writing.contains(&call.operation), "{}", call.operation);
        let items = match call.operation {
            "write" => 2,
            "append" => 3,
            _ => 1,
        };
        assert_eq!((call.items, error), (items, None), "{}", call.operation);
    }
}

#[test]
fn a_shared_hook_refuses_as_it_would_alone() {
    struct Frozen;

    impl Hook for Frozen {
        fn before(&self, call: &Call) -> Result<()> {
            if call.writes {
                return Err(Error::new(ErrorKind::ReadOnly, "the store is frozen"));
            }
            Ok(())
        }
    }

    let store = Hooked::new(SmallStore::default()).with(Arc::new(Frozen));
    let error = now(Store::flush(&store)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert!(store.inner().upkeep().is_empty());
    assert!(now(Store::stats(&store)).is_ok());
}

/// Fails every call, before or after it is made.
fn failing(fault: fn(ErrorKind) -> Fault, operation: &'static str) -> Hooked<SmallStore> {
    let faults = Arc::new(Faults::default());
    faults.push(operation, fault(ErrorKind::Timeout));
    Hooked::new(SmallStore::default()).with_faults(faults)
}

#[test]
fn upkeep_that_fails_is_not_taken_for_done() {
    for (fault, made) in [(Fault::Before as fn(_) -> _, false), (Fault::After as fn(_) -> _, true)]
    {
        let store = failing(fault, "flush");
        assert_eq!(now(Store::flush(&store)).unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(!store.inner().upkeep().is_empty(), made);
        let store = failing(fault, "close");
        assert_eq!(now(Store::close(&store)).unwrap_err().kind(), ErrorKind::Timeout);
        let store = failing(fault, "backup");
        assert_eq!(now(Store::backup(&store, "/b".into())).unwrap_err().kind(), ErrorKind::Timeout);
    }
}

/// Writes down what is counted and timed.
#[derive(Clone, Default)]
struct Meter(Arc<Mutex<Vec<String>>>);

struct One {
    name: String,
    counted: Arc<Mutex<Vec<String>>>,
}

impl One {
    fn note(&self, what: &str) {
        self.counted.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.note(&format!("+{value}"));
    }

    fn absolute(&self, value: u64) {
        self.note(&format!("={value}"));
    }
}

impl HistogramFn for One {
    fn record(&self, seconds: f64) {
        assert!((0.0..60.0).contains(&seconds), "{seconds} are no seconds of a call in memory");
        self.note("timed");
    }
}

impl Meter {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        let name = format!("{}{{{labels}}}", key.name());
        Arc::new(One { name, counted: Arc::clone(&self.0) })
    }
}

impl Recorder for Meter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

#[test]
fn calls_and_errors_are_counted_and_timed_by_operation() {
    let faults = Arc::new(Faults::default());
    faults.push("flush", Fault::Before(ErrorKind::Busy));
    let store = Hooked::new(SmallStore::default()).with_metrics().with_faults(faults);
    let meter = Meter::default();
    metrics::with_local_recorder(&meter, || {
        now(Store::stats(&store)).unwrap();
        now(Store::flush(&store)).unwrap_err();
    });
    assert_eq!(
        *meter.0.lock().unwrap(),
        [
            "threadkeep_calls_total{operation=stats} +1",
            "threadkeep_call_seconds{operation=stats} timed",
            "threadkeep_calls_total{operation=flush} +1",
            "threadkeep_call_seconds{operation=flush} timed",
            "threadkeep_errors_total{operation=flush,kind=busy} +1",
        ]
    );
}

/// Writes down the events of one target, with their level and fields.
struct Listener(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        // How long a call took is another number each time.
        if field.name() != "micros" {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let told =
            format!("{} {}{}", event.metadata().level(), event.metadata().target(), fields.0);
        self.0.lock().unwrap().push(told);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_failed_call_is_a_warning_and_any_other_a_trace() {
    let faults = Arc::new(Faults::default());
    faults.push("flush", Fault::Before(ErrorKind::Busy));
    let store = Hooked::new(SmallStore::default()).with_tracing().with_faults(faults);
    let told = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Listener(Arc::clone(&told)), || {
        now(Store::stats(&store)).unwrap();
        now(Store::flush(&store)).unwrap_err();
    });
    let told = told.lock().unwrap();
    let [done, failed] = &told[..] else { panic!("{told:?}") };
    assert!(done.starts_with("TRACE threadkeep::store "), "{done}");
    assert!(done.contains("operation=\"stats\"") && done.contains("items=1"), "{done}");
    assert!(failed.starts_with("WARN threadkeep::store "), "{failed}");
    assert!(failed.contains("busy: flush: a fault put in on purpose"), "{failed}");
}
