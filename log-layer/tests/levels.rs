//! Which events are kept.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{built, logged_with, messages};
use threadkeep_memory::MemoryStore;
use threadkeep_tracing::LogLayer;
use tracing::{Event, Level, Subscriber, debug, error, info, info_span, trace, warn};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

fn one_of_each() {
    error!("error");
    warn!("warn");
    info!("info");
    debug!("debug");
    trace!("trace");
}

const ALL: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

#[test]
fn a_level_admits_itself_and_graver_ones() {
    for (level, kept) in [
        (None, 3),
        (Some(LevelFilter::OFF), 0),
        (Some(LevelFilter::ERROR), 1),
        (Some(LevelFilter::WARN), 2),
        (Some(LevelFilter::INFO), 3),
        (Some(LevelFilter::DEBUG), 4),
        (Some(LevelFilter::TRACE), 5),
    ] {
        let set = |builder: threadkeep_tracing::LogLayerBuilder| match level {
            Some(level) => builder.level(level),
            None => builder,
        };
        let (entries, counts) = logged_with(set, one_of_each);
        let messages: Vec<_> = entries.into_iter().filter_map(|entry| entry.message).collect();
        assert_eq!(messages, ALL[..kept], "{level:?}");
        // What is below the level is not even counted.
        assert_eq!(counts.emitted(), kept as u64, "{level:?}");
    }
}

#[test]
fn events_below_the_level_never_come_to_the_queue() {
    let (entries, counts) = logged_with(
        |builder| builder.level(LevelFilter::WARN),
        || {
            for number in 0..100_000 {
                trace!(number, "a step");
                debug!(number, "a detail");
            }
        },
    );
    assert_eq!((entries.len(), counts.emitted()), (0, 0));
}

/// Counts what it is shown.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn other_layers_see_what_they_ask_for() {
    for level in [LevelFilter::OFF, LevelFilter::ERROR, LevelFilter::TRACE] {
        let store = MemoryStore::new();
        let (layer, guard) = LogLayer::builder(store.clone()).level(level).build().unwrap();
        let (inner, outer) = (Counting::default(), Counting::default());
        let subscriber = tracing_subscriber::registry()
            .with(inner.clone())
            .with(layer)
            .with(outer.clone().with_filter(LevelFilter::DEBUG));
        tracing::subscriber::with_default(subscriber, one_of_each);
        drop(guard);
        let kept = level.into_level().map_or(0, |level| match level {
            Level::ERROR => 1,
            _ => 5,
        });
        let seen = [inner, outer].map(|layer| layer.0.load(Ordering::Relaxed));
        assert_eq!((messages(&store).len(), seen), (kept, [5, 4]), "{level}");
    }
}

#[test]
fn a_filter_around_all_layers_is_obeyed() {
    let store = MemoryStore::new();
    let (layer, guard) =
        LogLayer::builder(store.clone()).level(LevelFilter::TRACE).build().unwrap();
    let targets = Targets::new().with_target("loud", Level::WARN).with_default(Level::DEBUG);
    let subscriber = tracing_subscriber::registry().with(layer).with(targets);
    tracing::subscriber::with_default(subscriber, || {
        info!(target: "loud", "not this");
        warn!(target: "loud", "this");
        debug!("and this");
        trace!("not this either");
    });
    drop(guard);
    assert_eq!(messages(&store), ["this", "and this"]);
}

#[test]
fn a_filter_around_the_layer_is_obeyed() {
    let store = MemoryStore::new();
    let (layer, guard) =
        LogLayer::builder(store.clone()).level(LevelFilter::DEBUG).build().unwrap();
    // One that has to be asked about every event, and that hides a span.
    let filter = filter_fn(|metadata| metadata.name() != "hidden" && metadata.target() != "quiet");
    let other = Counting::default();
    let subscriber =
        tracing_subscriber::registry().with(layer.with_filter(filter)).with(other.clone());
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..2 {
            info!(target: "quiet", "not this");
            trace!("nor this");
            let _shown = info_span!("shown", a = 1).entered();
            let _hidden = info_span!("hidden", thread_id = "hidden").entered();
            debug!("this");
        }
    });
    drop(guard);
    assert_eq!(messages(&store), ["this | shown{a=1}", "this | shown{a=1}"]);
    assert!(common::entries(&store).iter().all(|entry| entry.thread_id.is_none()));
    assert_eq!(other.0.load(Ordering::Relaxed), 6);
}

#[test]
fn excluded_targets_are_not_kept() {
    let (entries, counts) = logged_with(
        |builder| builder.exclude("client::wire").exclude("noise"),
        || {
            error!(target: "sqlx::query", "slow");
            error!(target: "threadkeep_sqlite::threads", "late");
            error!(target: "threadkeep::store", "failed");
            error!(target: "client::wire::frame", "bytes");
            error!(target: "noise", "…");
            error!(target: "client::wires", "kept");
            error!(target: "threadkeep::runtime", "kept");
        },
    );
    let kept: Vec<_> = entries.iter().map(|entry| entry.target.as_str()).collect();
    assert_eq!(kept, ["client::wires", "threadkeep::runtime"]);
    assert_eq!(counts.emitted(), 2);
}

#[test]
fn where_everything_is_off_there_is_no_thread_and_the_store_is_dropped() {
    struct Dropped(Arc<Mutex<bool>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = true;
        }
    }
    impl threadkeep_core::hooks::Hook for Dropped {}

    let dropped = Arc::new(Mutex::new(false));
    let store =
        threadkeep_core::hooks::Hooked::new(MemoryStore::new()).with(Dropped(Arc::clone(&dropped)));
    let (dispatch, guard) = built(LogLayer::builder(store).level(LevelFilter::OFF));
    assert!(*dropped.lock().unwrap());
    tracing::dispatcher::with_default(&dispatch, one_of_each);
    guard.flush(std::time::Duration::ZERO).unwrap();
    assert_eq!(guard.close().emitted(), 0);
}
