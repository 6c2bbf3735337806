//! What several tests share. Each uses only a part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use futures_executor::block_on;
use threadkeep_core::hooks::{Call, Hook, Hooked};
use threadkeep_core::{Direction, LogEntry, LogFilter, LogQuery, LogStore, Result};
use threadkeep_memory::MemoryStore;
use threadkeep_tracing::{LogCounts, LogGuard, LogLayer, LogLayerBuilder};
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt as _;

/// Longer than anything takes that does not hang.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A subscriber with this layer alone.
pub(crate) fn built(builder: LogLayerBuilder) -> (Dispatch, LogGuard) {
    let (layer, guard) = builder.build().unwrap();
    (tracing_subscriber::registry().with(layer).into(), guard)
}

/// The entries of a store, the oldest first.
pub(crate) fn entries(store: &impl LogStore) -> Vec<LogEntry> {
    let query = LogQuery::new(LogFilter::new()).direction(Direction::Ascending).limit(10_000);
    block_on(store.query(query)).unwrap().items.into_iter().map(|row| row.entry).collect()
}

pub(crate) fn messages(store: &impl LogStore) -> Vec<String> {
    entries(store).into_iter().map(|entry| entry.message.unwrap_or_default()).collect()
}

/// What is stored of this work.
pub(crate) fn logged_with(
    set: impl FnOnce(LogLayerBuilder) -> LogLayerBuilder,
    work: impl FnOnce(),
) -> (Vec<LogEntry>, LogCounts) {
    let store = MemoryStore::new();
    let (dispatch, guard) = built(set(LogLayer::builder(store.clone())));
    tracing::dispatcher::with_default(&dispatch, work);
    let counts = guard.close();
    (entries(&store), counts)
}

/// What is stored of this work by a layer as it is.
pub(crate) fn logged(work: impl FnOnce()) -> Vec<LogEntry> {
    logged_with(|builder| builder, work).0
}

/// The one message that is stored of this work.
pub(crate) fn message(work: impl FnOnce()) -> String {
    let mut entries = logged(work);
    assert_eq!(entries.len(), 1);
    entries.remove(0).message.unwrap()
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Blocks every append, thread and all, that is not let through.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<Passing>,
    changed: Condvar,
}

#[derive(Default)]
struct Passing {
    /// So many appends more may pass.
    allowed: usize,
    /// So many have come.
    came: usize,
}

impl Gate {
    pub(crate) fn shut() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn open(&self) {
        self.allow(usize::MAX);
    }

    /// From now on so many appends pass.
    pub(crate) fn allow(&self, appends: usize) {
        self.state.lock().unwrap().allowed = appends;
        self.changed.notify_all();
    }

    /// Waits until so many appends have come to the gate.
    pub(crate) fn wait_for(&self, appends: usize) {
        wait_until("an append", || self.state.lock().unwrap().came >= appends);
    }
}

impl Hook for Gate {
    fn before(&self, call: &Call) -> Result<()> {
        if call.operation == "append" {
            let mut state = self.state.lock().unwrap();
            state.came += 1;
            let is_shut = |state: &mut Passing| state.allowed == 0;
            let (mut state, _) = self.changed.wait_timeout_while(state, LONG, is_shut).unwrap();
            state.allowed = state.allowed.saturating_sub(1);
        }
        Ok(())
    }
}

/// A layer in front of a store whose appends wait at a gate, which is shut.
pub(crate) fn gated(
    set: impl FnOnce(LogLayerBuilder) -> LogLayerBuilder,
) -> (MemoryStore, Arc<Gate>, Dispatch, LogGuard) {
    let store = MemoryStore::new();
    let gate = Gate::shut();
    let hooked = Hooked::new(store.clone()).with(Arc::clone(&gate));
    let builder = LogLayer::builder(hooked).interval(Duration::from_millis(1));
    let (dispatch, guard) = built(set(builder));
    (store, gate, dispatch, guard)
}

/// Logs these numbers.
pub(crate) fn log(dispatch: &Dispatch, numbers: std::ops::Range<usize>) {
    tracing::dispatcher::with_default(dispatch, || {
        numbers.for_each(|number| tracing::info!("entry {number}"));
    });
}
