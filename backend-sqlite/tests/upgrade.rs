//! Logs as an earlier version wrote them: one table, every text in every row.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use chrono::{DateTime, TimeDelta};
use threadkeep_core::{
    Direction, ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, LogRow, LogStore as _,
    LogStoreExt as _, Retention, Store as _,
};
use threadkeep_sqlite::{SqliteOptions, SqliteStore};

const FIXTURE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/fixtures/sqlite/20261122150000");

/// The entries 1 to 600 of the fixture. After them 20 more were appended, and then whatever is from
/// before 1970 or its first second was pruned.
fn appended() -> Vec<LogEntry> {
    let start = DateTime::from_timestamp(1_760_000_000, 123_456_789).unwrap();
    let entry = |n: u32| {
        let time = start + TimeDelta::milliseconds(i64::from(n) * 7);
        let level = LogLevel::ALL[(n % 5) as usize];
        let target = format!("agent::part{}", n % 7);
        LogEntry {
            thread_id: (!n.is_multiple_of(3)).then(|| format!("thread-{}", n % 11)),
            process_id: (!n.is_multiple_of(4)).then(|| format!("pid:{}", n % 2)),
            module_path: (!n.is_multiple_of(5)).then(|| format!("agent::part{}::inner", n % 7)),
            file: (!n.is_multiple_of(6)).then(|| format!("src/part{}.rs", n % 7)),
            line: (n % 6 > 1).then_some(n % 13),
            ..LogEntry::new(time, level, target, format!("step {n} of the plan"))
        }
    };
    let mut entries: Vec<_> = (0..600).map(entry).collect();
    entries[10].message = None;
    entries[11].message = Some(String::new());
    entries[12].message = Some("nul \0 and \u{10ffff} and ä".into());
    entries[13].thread_id = Some(String::new());
    entries[14].time = DateTime::from_timestamp(-1_000_000, 7).unwrap();
    entries[15].target = String::new();
    entries[16].line = Some(u32::MAX);
    entries[17].file = Some(String::new());
    entries
}

fn copy(to: &Path) {
    for file in ["threads.db", "threads-logs.db"] {
        std::fs::copy(Path::new(FIXTURE).join(file), to.join(file)).unwrap();
    }
}

async fn open(folder: &Path) -> SqliteStore {
    let options = SqliteOptions::default().retention(Retention::default());
    SqliteStore::open_with(folder.join("threads.db"), options).await.unwrap()
}

async fn all(store: &SqliteStore, filter: LogFilter) -> Vec<LogRow> {
    let query = LogQuery::new(filter).direction(Direction::Ascending).limit(10_000);
    store.query(query).await.unwrap().items
}

#[tokio::test]
async fn logs_of_one_table_are_upgraded_whole() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let store = open(folder.path()).await;
    let expected: Vec<_> = (1..)
        .zip(appended())
        .map(|(id, entry)| LogRow { id, entry })
        .filter(|row| row.id != 15)
        .collect();
    assert_eq!(all(&store, LogFilter::new()).await, expected);

    for filter in [
        LogFilter::new().thread("thread-5"),
        LogFilter::new().thread("").threadless(),
        LogFilter::new().min_level(LogLevel::Warn).message("STEP 1"),
    ] {
        let matching: Vec<_> = expected.iter().filter(|row| filter.matches(row)).cloned().collect();
        assert!(!matching.is_empty());
        assert_eq!(all(&store, filter).await, matching);
    }

    // The numbers of the 20 that went are not given out again.
    let page = store.query(LogQuery::new(LogFilter::new())).await.unwrap();
    assert_eq!(page.deleted_through, 620);
    let id = store.insert_log(expected[0].entry.clone()).await.unwrap();
    assert_eq!(id, 621);
    store.close().await.unwrap();

    let store = open(folder.path()).await;
    assert_eq!(all(&store, LogFilter::new()).await.len(), 600);
    assert!(store.check().await.unwrap().is_sound());
    store.close().await.unwrap();
}

#[tokio::test]
async fn who_only_reads_does_not_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let before = std::fs::read(folder.path().join("threads-logs.db")).unwrap();
    let store = SqliteStore::open_read_only(folder.path().join("threads.db")).await.unwrap();
    let error = store.max_log_id(LogFilter::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert!(error.hint_text().is_some());
    store.close().await.unwrap();
    assert!(std::fs::read(folder.path().join("threads-logs.db")).unwrap() == before);
}
