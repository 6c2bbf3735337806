//! What is lost, what is not, and what the log says of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{LONG, built, entries, gated, log, messages, wait_until};
use threadkeep_core::hooks::{Call, Fault, Faults, Hook, Hooked};
use threadkeep_core::{ErrorKind, LogLevel, Result, Store as _};
use threadkeep_memory::MemoryStore;
use threadkeep_tracing::LogLayer;
use tracing::dispatcher::with_default;
use tracing::{error, info};

fn is_gap(message: &str) -> bool {
    message.contains("dropped")
}

#[test]
fn a_store_that_hangs_holds_nobody_up_and_every_drop_is_counted() {
    let (store, gate, dispatch, guard) = gated(|builder| builder.queue(100).batch(10));
    log(&dispatch, 0..1);
    gate.wait_for(1);
    let begun = Instant::now();
    log(&dispatch, 1..100_000);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let counts = guard.stats().counts();
    assert_eq!((counts.queued, counts.queue_full, counts.written), (100, 99_900, 0));
    assert_eq!(counts.emitted(), 100_000);

    gate.open();
    guard.flush(LONG).unwrap();
    log(&dispatch, 100_000..100_003);
    guard.flush(LONG).unwrap();
    let expected: Vec<_> = (0..100)
        .map(|number| format!("entry {number}"))
        .chain(["99900 log entries were dropped: the queue was full".to_owned()])
        .chain((100_000..100_003).map(|number| format!("entry {number}")))
        .collect();
    assert_eq!(messages(&store), expected);
    let gap = &entries(&store)[100];
    assert_eq!((gap.level, gap.target.as_str()), (LogLevel::Warn, "threadkeep_tracing"));
    assert_eq!(gap.process_id, entries(&store)[0].process_id);
    assert_eq!(guard.dropped(), 99_900);
    let counts = guard.close();
    assert_eq!((counts.written, counts.queued), (103, 0));
}

#[test]
fn a_gap_is_told_where_it_is_and_each_once() {
    let (store, gate, dispatch, guard) = gated(|builder| builder.queue(10).batch(5));
    for turn in 0..3 {
        let first = turn * 100;
        gate.allow(0);
        log(&dispatch, first..first + 10 + turn + 1);
        gate.open();
        wait_until("room", || guard.stats().queued() == 0);
        log(&dispatch, first + 90..first + 91);
        wait_until("the last one", || guard.stats().queued() == 0);
    }
    drop(guard);
    let gaps: Vec<_> = messages(&store)
        .windows(2)
        .filter(|pair| is_gap(&pair[0]))
        .map(|pair| format!("{} < {}", pair[0].split(':').next().unwrap(), pair[1]))
        .collect();
    assert_eq!(
        gaps,
        [
            "1 log entry was dropped < entry 90",
            "2 log entries were dropped < entry 190",
            "3 log entries were dropped < entry 290",
        ]
    );
}

#[test]
fn many_who_log_at_once_are_counted_exactly() {
    let (store, gate, dispatch, guard) = gated(|builder| builder.queue(64).batch(16));
    let (threads, each) = (4, 5_000);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| log(&dispatch, 0..each));
        }
        scope.spawn(|| {
            gate.wait_for(1);
            gate.open();
        });
    });
    let counts = guard.close();
    assert_eq!(counts.emitted(), (threads * each) as u64);
    assert_eq!(counts.emitted(), counts.written + counts.queue_full);
    let messages = messages(&store);
    let (gaps, kept): (Vec<_>, Vec<_>) = messages.iter().partition(|message| is_gap(message));
    assert_eq!(kept.len() as u64, counts.written);
    let told: u64 =
        gaps.iter().map(|gap| gap.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(told, counts.queue_full, "{gaps:?}");
}

#[test]
fn the_bytes_in_the_queue_are_bounded() {
    let (store, gate, dispatch, guard) = gated(|builder| builder.queue_bytes(1_000));
    let text = "x".repeat(300);
    with_default(&dispatch, || {
        info!("first");
        gate.wait_for(1);
        for _ in 0..10 {
            info!("{text}");
        }
        info!("small enough");
    });
    let counts = guard.stats().counts();
    assert_eq!((counts.queued, counts.queue_full), (5, 7));
    gate.open();
    guard.flush(LONG).unwrap();
    let told: Vec<_> = messages(&store).into_iter().filter(|message| is_gap(message)).collect();
    assert_eq!(told, ["7 log entries were dropped: the queue was full"]);
}

#[test]
fn a_busy_store_is_asked_again_until_the_time_for_it_is_over() {
    let store = MemoryStore::new();
    let faults = Arc::new(Faults::default());
    let hooked = Hooked::new(store.clone()).with_faults(Arc::clone(&faults));
    let retry_for = Duration::from_millis(120);
    let builder = LogLayer::builder(hooked).interval(Duration::ZERO).retry_for(retry_for);
    let (dispatch, guard) = built(builder);
    faults.push("append", Fault::Before(ErrorKind::Busy));
    log(&dispatch, 0..1);
    guard.flush(LONG).unwrap();
    assert_eq!(messages(&store), ["entry 0"]);

    for _ in 0..3 {
        faults.push("append", Fault::Before(ErrorKind::Busy));
    }
    log(&dispatch, 1..2);
    guard.flush(LONG).unwrap();
    assert_eq!((faults.pending(), guard.stats().counts().refused), (0, 1));

    log(&dispatch, 2..3);
    let counts = guard.close();
    assert_eq!((counts.written, counts.refused, counts.dropped()), (2, 1, 1));
    assert_eq!(
        messages(&store),
        [
            "entry 0",
            "1 log entry was dropped: the store refused them: \
             busy: append: a fault put in on purpose",
            "entry 2",
        ]
    );
}

#[test]
fn entries_that_may_be_there_are_not_written_twice() {
    let store = MemoryStore::new();
    let faults = Arc::new(Faults::default());
    let hooked = Hooked::new(store.clone()).with_faults(Arc::clone(&faults));
    let (dispatch, guard) = built(LogLayer::builder(hooked));
    faults.push("append", Fault::After(ErrorKind::Io));
    log(&dispatch, 0..3);
    guard.flush(LONG).unwrap();
    log(&dispatch, 3..4);
    let counts = guard.close();
    assert_eq!((counts.written, counts.uncertain, counts.dropped()), (1, 3, 0));
    assert_eq!(
        messages(&store),
        [
            "entry 0",
            "entry 1",
            "entry 2",
            "3 log entries may be missing: i/o error: append: a fault put in on purpose",
            "entry 3",
        ]
    );
}

#[test]
fn a_store_that_refuses_for_good_is_not_waited_for() {
    let store = MemoryStore::new();
    let (dispatch, guard) = built(LogLayer::builder(store.clone()));
    futures_executor::block_on(store.close()).unwrap();
    log(&dispatch, 0..1_000);
    let begun = Instant::now();
    let counts = guard.close();
    assert_eq!((counts.refused, counts.emitted()), (1_000, 1_000));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// Panics in the first append.
struct Panics(std::sync::atomic::AtomicBool);

impl Hook for Panics {
    fn before(&self, call: &Call) -> Result<()> {
        let is_first = !self.0.swap(true, std::sync::atomic::Ordering::Relaxed);
        assert!(call.operation != "append" || !is_first, "on purpose");
        Ok(())
    }
}

/// Cannot be formatted.
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("on purpose")
    }
}

#[test]
fn panics_of_others_do_not_end_the_log() {
    let store = MemoryStore::new();
    let hooked = Hooked::new(store.clone()).with(Panics(false.into()));
    let builder = LogLayer::builder(hooked).redact(|text| {
        assert!(!text.contains("secret"), "on purpose");
        text.into()
    });
    let (dispatch, guard) = built(builder);
    log(&dispatch, 0..1);
    guard.flush(LONG).unwrap();
    log(&dispatch, 1..2);
    guard.flush(LONG).unwrap();
    with_default(&dispatch, || {
        let panicked = std::panic::catch_unwind(|| info!(value = %Unspeakable, "lost"));
        assert!(panicked.is_err(), "whoever logs has its own panic");
        info!("secret");
    });
    log(&dispatch, 2..3);
    guard.flush(LONG).unwrap();
    let counts = guard.close();
    assert_eq!((counts.written, counts.uncertain, counts.panicked), (2, 1, 2));
    let messages = messages(&store);
    assert_eq!(messages[..2], ["1 log entry may be missing: the store panicked", "entry 1"]);
    assert!(messages.contains(&"entry 2".to_owned()));
    let told = messages.iter().filter(|message| message.contains("formatting panicked"));
    let told: u64 = told.map(|gap| gap.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(told, 2, "{messages:?}");
}

#[test]
fn a_gap_before_an_entry_that_panics_is_told() {
    let (store, gate, dispatch, guard) = gated(|builder| builder.queue(4).batch(2).interval(LONG));
    log(&dispatch, 0..2);
    gate.wait_for(1);
    log(&dispatch, 2..7);
    // The first two are written and make room, while the writer is held up by the next.
    gate.allow(1);
    gate.wait_for(2);
    let panicked = with_default(&dispatch, || {
        std::panic::catch_unwind(|| info!(value = %Unspeakable, "lost"))
    });
    assert!(panicked.is_err());
    gate.open();
    drop(guard);
    let expected = [
        "entry 0",
        "entry 1",
        "entry 2",
        "entry 3",
        "3 log entries were dropped: the queue was full",
        "1 log entry was dropped: formatting panicked",
    ];
    assert_eq!(messages(&store), expected);
}

#[test]
fn entries_are_written_by_count_or_by_interval() {
    let store = MemoryStore::new();
    let (dispatch, guard) = built(LogLayer::builder(store.clone()).batch(100).interval(LONG));
    log(&dispatch, 0..250);
    wait_until("two batches", || guard.stats().written() >= 200);
    assert_eq!(messages(&store).len(), 200);
    drop(guard);

    let store = MemoryStore::new();
    let interval = Duration::from_millis(60);
    let (dispatch, guard) = built(LogLayer::builder(store.clone()).interval(interval));
    for number in 0..3 {
        let begun = Instant::now();
        log(&dispatch, number..number + 1);
        wait_until("an entry", || guard.stats().written() > number as u64);
        let took = begun.elapsed();
        assert!(took >= interval / 2, "written without waiting for others: {took:?}");
    }
    drop(guard);
}

#[test]
fn what_the_writer_traces_is_not_kept() {
    /// Traces around every append, as a store with hooks does.
    struct Traces;
    impl Hook for Traces {
        fn before(&self, call: &Call) -> Result<()> {
            let _span = tracing::error_span!("append", thread_id = "none").entered();
            error!(target: "anything", items = call.items, "appending");
            Ok(())
        }
    }
    let store = MemoryStore::new();
    let (layer, guard) = LogLayer::builder(Hooked::new(store.clone()).with(Traces).with_tracing())
        .level(tracing_subscriber::filter::LevelFilter::TRACE)
        .interval(Duration::ZERO)
        .build()
        .unwrap();
    let subscriber =
        tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), layer);
    // For every thread, the writer's own among them.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for number in 0..50 {
        info!("entry {number}");
        guard.flush(LONG).unwrap();
    }
    let counts = guard.close();
    let own = messages(&store).iter().filter(|message| message.starts_with("entry")).count();
    assert_eq!(own, 50);
    assert!(entries(&store).iter().all(|entry| entry.target != "anything"));
    assert_eq!(counts.emitted(), 50);
}
