//! What only a file of logs has: its size, its damage, and other programs that keep it open.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use sqlx::{Connection, SqliteConnection};
use threadkeep_core::{
    Applied, ErrorKind, LogEntry, LogFilter, LogLevel, LogStore as _, LogStoreExt as _, Retention,
    Store as _,
};
use threadkeep_sqlite::{SqliteOptions, SqliteStore};

const MIB: u64 = 1024 * 1024;

async fn open(folder: &Path, retention: Retention) -> SqliteStore {
    let options = SqliteOptions::default().retention(retention);
    SqliteStore::open_with(folder.join("threads.db"), options).await.unwrap()
}

fn entry(thread: Option<&str>, message: impl Into<String>) -> LogEntry {
    let mut entry = LogEntry::new(SystemTime::now().into(), LogLevel::Info, "test", message);
    entry.thread_id = thread.map(str::to_owned);
    entry
}

fn batch(bytes: usize) -> Vec<LogEntry> {
    (0..100).map(|_| entry(None, "x".repeat(bytes / 100))).collect()
}

fn log_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("threads-logs"));
    logs.map(|file| file.metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn entries_are_refused_rather_than_files_grow_while_an_old_state_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Retention::max_bytes(8 * MIB)).await;
    store.append(batch(1_000)).await.unwrap();

    let url = folder.path().join("threads-logs.db").display().to_string();
    let mut reader = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM entries").execute(&mut reader).await.unwrap();
    let mut refused = None;
    for _ in 0..400 {
        if let Err(error) = store.append(batch(100_000)).await {
            refused = Some(error);
            break;
        }
        assert!(log_bytes(folder.path()) <= 16 * MIB, "{}", log_bytes(folder.path()));
    }
    let error = refused.expect("40 MB were appended under a cap of 8 MiB");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::StorageFull, Applied::NotApplied));
    assert!(error.hint_text().is_some());

    reader.close().await.unwrap();
    let begun = Instant::now();
    while let Err(error) = store.append(batch(100_000)).await {
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(begun.elapsed() < Duration::from_secs(5), "appends are still refused: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..200 {
        store.append(batch(100_000)).await.unwrap();
    }
    store.close().await.unwrap();
    assert!(log_bytes(folder.path()) <= 16 * MIB, "{}", log_bytes(folder.path()));
}

#[tokio::test]
async fn what_is_too_much_goes_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut retention = Retention::thread_rows(80);
    retention.max_age = Some(Duration::from_hours(1));
    let store = open(folder.path(), retention).await;
    let mut entries: Vec<_> = (0..300).map(|n| entry(Some("busy"), n.to_string())).collect();
    entries.extend((0..50).map(|n| entry(Some("quiet"), n.to_string())));
    entries[299].time -= chrono::TimeDelta::hours(2);
    store.append(entries).await.unwrap();

    let begun = Instant::now();
    loop {
        let stats = store.stats().await.unwrap();
        // All of one thread and 80 of the other, the last of which is too old.
        if stats.log_entries == 129 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{} are left", stats.log_entries);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let of = |thread: &str| store.max_log_id(LogFilter::new().thread(thread));
    assert_eq!(of("quiet").await.unwrap(), 350);
    assert_eq!(of("busy").await.unwrap(), 299);
    store.close().await.unwrap();
}

#[tokio::test]
async fn damaged_logs_are_set_aside_by_the_next_append() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Retention::default()).await;
    let last = store.insert_log(entry(None, "before")).await.unwrap();
    store.close().await.unwrap();
    let logs = folder.path().join("threads-logs.db");
    let noise = "scribble ".repeat(2_000);
    std::fs::write(&logs, &noise).unwrap();

    let store = open(folder.path(), Retention::default()).await;
    assert_eq!(store.max_log_id(LogFilter::new()).await.unwrap_err().kind(), ErrorKind::Corrupted);
    let next = store.insert_log(entry(None, "after")).await.unwrap();
    assert!(next > last, "{next} after {last}");
    assert_eq!(store.max_log_id(LogFilter::new()).await.unwrap(), next);
    assert_eq!(store.insert_log(entry(None, "and on")).await.unwrap(), next + 1);
    store.close().await.unwrap();
    let aside: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.display().to_string().contains("threads-logs.db.damaged-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(std::fs::read_to_string(&aside[0]).unwrap(), noise);
}

#[tokio::test]
async fn damage_within_the_logs_costs_one_append() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Retention::default()).await;
    for _ in 0..100 {
        store.append(batch(100_000)).await.unwrap();
    }
    store.close().await.unwrap();
    // The first pages say that it is a store.
    let logs = folder.path().join("threads-logs.db");
    let mut bytes = std::fs::read(&logs).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xa5);
    std::fs::write(&logs, bytes).unwrap();

    let store = open(folder.path(), Retention::default()).await;
    let error = store.append(batch(1_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    let ids = store.append(batch(1_000)).await.unwrap().unwrap();
    assert!(ids.first > 10_000);
    store.close().await.unwrap();
}
