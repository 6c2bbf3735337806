//! Closing a layer, in time whatever its store does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use common::{LONG, built, gated, log, messages, wait_until};
use threadkeep_core::{Error, ErrorKind, Result};
use threadkeep_memory::MemoryStore;
use threadkeep_tracing::{LogCounts, LogLayer};

#[test]
fn dropping_the_guard_writes_what_is_queued_without_a_runtime() {
    let store = MemoryStore::new();
    let builder = LogLayer::builder(store.clone()).interval(LONG);
    let (dispatch, guard) = built(builder);
    log(&dispatch, 0..3_000);
    let begun = Instant::now();
    drop(guard);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(messages(&store).len(), 3_000);
    log(&dispatch, 0..1);
    assert_eq!(messages(&store).len(), 3_000);
}

#[tokio::test]
async fn dropping_the_guard_works_inside_a_runtime_too() {
    let store = MemoryStore::new();
    let (dispatch, guard) = built(LogLayer::builder(store.clone()).interval(LONG));
    log(&dispatch, 0..10);
    drop(guard);
    assert_eq!(messages(&store).len(), 10);
}

#[test]
fn closing_ends_in_time_where_the_store_hangs() {
    let (_, gate, dispatch, guard) =
        gated(|builder| builder.batch(4).close_timeout(Duration::from_millis(100)));
    let stats = guard.stats();
    log(&dispatch, 0..4);
    gate.wait_for(1);
    log(&dispatch, 4..10);
    let begun = Instant::now();
    let counts = guard.close();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((counts.queued, counts.written, counts.emitted()), (10, 0, 10));
    log(&dispatch, 10..12);
    gate.open();
    // What comes of it later is counted as well.
    wait_until("the writer to end", || stats.queued() == 0);
    let LogCounts { written, uncertain, closed, .. } = stats.counts();
    assert_eq!((written, uncertain, closed), (4, 0, 8));
}

/// Never answers an append, as a server does that is out of reach.
struct Silent;

#[async_trait::async_trait]
impl threadkeep_core::LogStore for Silent {
    async fn append(
        &self,
        _: Vec<threadkeep_core::LogEntry>,
    ) -> Result<Option<threadkeep_core::LogIds>> {
        std::future::pending().await
    }

    async fn query(&self, _: threadkeep_core::LogQuery) -> Result<threadkeep_core::LogPage> {
        Ok(threadkeep_core::LogPage::default())
    }

    async fn max_log_id(&self, _: threadkeep_core::LogFilter) -> Result<u64> {
        Ok(0)
    }

    async fn prune(
        &self,
        _: threadkeep_core::Retention,
        _: Duration,
    ) -> Result<threadkeep_core::Pruned> {
        Err(Error::new(ErrorKind::Unsupported, "nothing is kept"))
    }

    async fn changed(&self, _: u64, _: Duration) -> Result<()> {
        Ok(())
    }
}

#[test]
fn closing_gives_an_append_up_that_does_not_answer() {
    let builder = LogLayer::builder(Silent)
        .interval(Duration::ZERO)
        .batch(4)
        .close_timeout(Duration::from_millis(100));
    let (dispatch, guard) = built(builder);
    log(&dispatch, 0..10);
    let begun = Instant::now();
    let error = guard.flush(Duration::from_millis(10)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("10 log entries") && error.hint_text().is_some());
    let counts = guard.close();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(counts.queued, 0);
    assert!((1..=4).contains(&counts.uncertain), "{counts:?}");
    assert_eq!(counts.uncertain + counts.closed, 10);
}
