//! In front of a store in files, whose own threads and libraries trace, too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{LONG, built};
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogQuery, LogStore as _, Store as _, ThreadId, ThreadSeed,
    ThreadStoreExt as _, Timestamp,
};
use threadkeep_sqlite::SqliteStore;
use threadkeep_tracing::LogLayer;
use tokio::runtime::Runtime;
use tracing::{debug, error, info, info_span, trace};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

fn opened(folder: &Path) -> (Runtime, SqliteStore) {
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(SqliteStore::open(folder.join("threads.db"))).unwrap();
    (runtime, store)
}

fn entries(runtime: &Runtime, store: &SqliteStore) -> Vec<LogEntry> {
    let query = LogQuery::new(LogFilter::new()).direction(Direction::Ascending).limit(10_000);
    let page = runtime.block_on(store.query(query)).unwrap();
    page.items.into_iter().map(|row| row.entry).collect()
}

/// The bytes of every file.
fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .filter(|file| file.file_type().unwrap().is_file())
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()))
        .collect()
}

#[test]
fn tracing_the_store_itself_at_the_finest_level_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, store) = opened(folder.path());
    let hooked = Arc::new(threadkeep_core::hooks::Hooked::new(store.clone()).with_tracing());
    let (layer, guard) = LogLayer::builder(Arc::clone(&hooked))
        .level(LevelFilter::TRACE)
        .interval(Duration::ZERO)
        .build()
        .unwrap();
    // For every thread there is: those of the store and of its libraries.
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for number in 0..20_i64 {
        trace!(number, "a step");
        let row = ThreadSeed::new(ThreadId::new(), "/a", Timestamp::from_millis(number));
        runtime.block_on(hooked.upsert_thread(row.into_metadata())).unwrap();
        guard.flush(LONG).unwrap();
    }
    let counts = guard.close();
    let own = entries(&runtime, &store);
    let steps =
        own.iter().filter(|entry| entry.message.as_deref().unwrap_or_default().contains("a step"));
    assert_eq!(steps.count(), 20);
    let targets: std::collections::BTreeSet<_> =
        own.iter().map(|entry| entry.target.as_str()).collect();
    assert_eq!(targets, [module_path!()].into());
    assert_eq!((counts.written, counts.dropped()), (20, 0));
    runtime.block_on(store.close()).unwrap();
}

#[test]
fn no_file_is_made_where_everything_is_off_or_below_the_level() {
    for level in [LevelFilter::OFF, LevelFilter::WARN] {
        let folder = tempfile::tempdir().unwrap();
        let (runtime, store) = opened(folder.path());
        let before = bytes(folder.path());
        let (dispatch, guard) = built(LogLayer::builder(store.clone()).level(level));
        tracing::dispatcher::with_default(&dispatch, || {
            for number in 0..100_000 {
                trace!(number, "a step");
                debug!(number, "a detail");
            }
            if level == LevelFilter::OFF {
                error!("nothing at all");
            }
        });
        guard.flush(LONG).unwrap();
        assert_eq!(guard.close().emitted(), 0);
        assert_eq!(bytes(folder.path()), before, "{level}");
        assert!(!folder.path().join("threads-logs.db").exists());
        assert!(entries(&runtime, &store).is_empty());
        runtime.block_on(store.close()).unwrap();
    }
}

#[test]
fn what_is_queued_is_written_when_the_runtime_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, store) = opened(folder.path());
    // The first append of all creates the file, which needs a runtime.
    let (dispatch, guard) = built(LogLayer::builder(store.clone()).interval(LONG));
    drop((runtime, store));
    tracing::dispatcher::with_default(&dispatch, || {
        for number in 0..500 {
            info!(number, "an entry");
        }
    });
    let begun = Instant::now();
    let counts = guard.close();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((counts.written, counts.emitted()), (500, 500));
    let (runtime, store) = opened(folder.path());
    assert_eq!(entries(&runtime, &store).len(), 500);
    runtime.block_on(store.close()).unwrap();
}

#[test]
fn no_byte_of_a_file_has_what_was_redacted() {
    const SECRET: &str = "sk-live-0123456789";
    let folder = tempfile::tempdir().unwrap();
    let (runtime, store) = opened(folder.path());
    let builder = LogLayer::builder(store.clone()).process_id(SECRET).redact(|text| {
        if text.contains(SECRET) {
            Cow::Owned(text.replace(SECRET, "[redacted]"))
        } else {
            Cow::Borrowed(text)
        }
    });
    let (dispatch, guard) = built(builder);
    tracing::dispatcher::with_default(&dispatch, || {
        let _span = info_span!("turn", key = SECRET, thread_id = SECRET).entered();
        let _named = info_span!("sk-live-0123456789").entered();
        info!(key = SECRET, "{SECRET}");
        info!(target: "sk-live-0123456789", thread_id = SECRET, key = ?[SECRET], "and once more");
    });
    assert_eq!(guard.close().written, 2);
    let contains = |bytes: &[u8], text: &str| {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    // While the store is open there are side files; closed, everything is in the files.
    let check = || {
        for (name, bytes) in bytes(folder.path()) {
            assert!(!contains(&bytes, SECRET), "{name}");
        }
    };
    check();
    let stored = entries(&runtime, &store);
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|entry| entry.thread_id.as_deref() == Some("[redacted]")));
    runtime.block_on(store.close()).unwrap();
    check();
}
