//! The files of a store: what is refused and left as it is, what is put in order, and what space
//! they take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use redb::{ReadableDatabase as _, TableDefinition};
use threadkeep_core::{
    Change, ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, LogStore, LogStoreExt as _,
    Retention, Store, ThreadId, ThreadMetadata, ThreadQuery, ThreadSeed, ThreadStore,
    ThreadStoreExt as _, Timestamp, WriteBatch,
};
use threadkeep_redb::{RedbOptions, RedbStore, Sharing, SimulatedDisk};

const META: TableDefinition<&str, &str> = TableDefinition::new("meta");
const SHARINGS: [Sharing; 3] = [Sharing::Auto, Sharing::Single, Sharing::Exclusive];

fn row(number: u8) -> ThreadMetadata {
    let id = ThreadId::from_bytes([number; 16]);
    let mut row = ThreadSeed::new(id, "/a.jsonl", Timestamp::from_millis(5)).into_metadata();
    row.has_user_event = true;
    row
}

fn entry(number: u32, text: &str) -> LogEntry {
    let time = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(i64::from(number));
    LogEntry::new(time, LogLevel::Info, "target", text)
}

/// A text that cannot be packed.
fn noise(seed: u64, bytes: usize) -> String {
    let mut random = seed | 1;
    let hexadecimal = std::iter::repeat_with(|| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        format!("{random:016x}")
    });
    hexadecimal.take(bytes / 16).collect()
}

async fn refused(path: &Path) -> threadkeep_core::Error {
    let error = RedbStore::open(path).await.expect_err("the store was opened");
    assert!(error.to_string().contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
    assert!(error.hint_text().is_some(), "{error}");
    error
}

#[tokio::test]
async fn files_that_are_no_store_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let letter = folder.path().join("letter.redb");
    fs::write(&letter, "a letter, not a database\n".repeat(400)).unwrap();
    let foreign = folder.path().join("foreign.redb");
    let database = redb::Database::create(&foreign).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u64, u64>::new("numbers")).unwrap();
    transaction.commit().unwrap();
    drop(database);
    for path in [letter, foreign] {
        let before = fs::read(&path).unwrap();
        assert_eq!(refused(&path).await.kind(), ErrorKind::Corrupted, "{}", path.display());
        assert_eq!(fs::read(&path).unwrap(), before, "{}", path.display());
    }
    let error = RedbStore::open(folder.path().join("no/such.redb")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = RedbStore::open(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// Gives every number in `meta` of this file another value.
fn set_meta(path: &Path, keys: &[&str], value: &str) {
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(META).unwrap();
        for key in keys {
            meta.insert(*key, value).unwrap();
        }
    }
    transaction.commit().unwrap();
    database.close().unwrap();
}

#[tokio::test]
async fn a_newer_format_is_refused_or_read_as_it_allows_without_a_byte_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    let store = RedbStore::open(&path).await.unwrap();
    store.upsert_thread(row(1)).await.unwrap();
    store.close().await.unwrap();

    set_meta(&path, &["schema", "min_writer"], "99990101000000");
    let before = fs::read(&path).unwrap();
    let store = RedbStore::open(&path).await.unwrap();
    assert_eq!(store.list(ThreadQuery::new()).await.unwrap().items.len(), 1);
    let error = store.upsert_thread(row(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    store.close().await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);

    set_meta(&path, &["min_reader"], "99990101000000");
    let before = fs::read(&path).unwrap();
    let error = RedbStore::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaTooNew, "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_file_says_what_it_is_and_who_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    RedbStore::open(&path).await.unwrap().close().await.unwrap();
    let database = redb::Database::open(&path).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    let value = |key| meta.get(key).unwrap().unwrap().value().to_owned();
    assert_eq!(value("application"), "threadkeep threads");
    assert!(value("created_by").starts_with("threadkeep "));
    assert_eq!(value("schema"), value("min_reader"));
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "only its owner may read it");
    }
}

#[tokio::test]
async fn what_a_process_left_that_was_killed_while_it_made_a_store_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    fs::write(folder.path().join("threads.redb.new"), "half a file").unwrap();
    fs::write(&path, "").unwrap();
    let store = RedbStore::open(&path).await.unwrap();
    store.upsert_thread(row(1)).await.unwrap();
    store.close().await.unwrap();
    assert!(!folder.path().join("threads.redb.new").exists());
}

#[tokio::test]
async fn handles_of_one_process_share_the_file_and_have_to_share_it_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    for sharing in SHARINGS {
        let options = || RedbOptions::default().sharing(sharing);
        let one = RedbStore::open_with(&path, options()).await.unwrap();
        // Another spelling of the path.
        let spelled = folder.path().join(".").join("threads.redb");
        let two = RedbStore::open_with(&spelled, options()).await.unwrap();
        one.upsert_thread(row(1)).await.unwrap();
        one.close().await.unwrap();
        assert_eq!(one.list(ThreadQuery::new()).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(two.list(ThreadQuery::new()).await.unwrap().items.len(), 1);
        for other in SHARINGS.into_iter().filter(|other| *other != sharing) {
            let other = RedbOptions::default().sharing(other);
            let error = RedbStore::open_with(&path, other).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
            assert!(error.to_string().contains(&format!("has it open as {sharing}")), "{error}");
        }
        // Dropping without closing closes too, a moment later.
        drop(two);
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let next = SHARINGS[(SHARINGS.iter().position(|one| *one == sharing).unwrap() + 1) % 3];
        loop {
            let options = RedbOptions::default().sharing(next);
            match RedbStore::open_with(&path, options).await {
                Ok(store) => break store.close().await.unwrap(),
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(folder.join("threads-logs")) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn logs_are_segments_that_go_whole() {
    let folder = tempfile::tempdir().unwrap();
    let options = RedbOptions::default().retention(Retention::default());
    let store = RedbStore::open_with(folder.path().join("threads.redb"), options).await.unwrap();
    assert_eq!(store.query(LogQuery::new(LogFilter::new())).await.unwrap().items.len(), 0);
    assert_eq!(segments(folder.path()).len(), 0, "reading makes no file");
    // About 60 MB that cannot be packed.
    let mut appended = 0;
    for round in 0..60 {
        let entries = (0..1_000).map(|at| {
            let number = round * 1_000 + at;
            entry(number, &noise(u64::from(number), 1_000))
        });
        appended += store.append(entries.collect()).await.unwrap().map_or(0, |_| 1_000);
    }
    let before = segments(folder.path());
    assert!(before.len() >= 3, "{before:?}");
    let oldest = fs::metadata(&before[0]).unwrap().len();
    assert!((8 << 20..20 << 20).contains(&oldest), "a segment of {oldest} bytes");

    // Every entry is found over the borders, in both directions, with and without conditions.
    let mut filter = LogFilter::new();
    let mut found = 0;
    loop {
        let query = LogQuery::new(filter.clone());
        let page = store.query(query.direction(threadkeep_core::Direction::Ascending)).await;
        let page = page.unwrap();
        found += page.items.len();
        let Some(last) = page.items.last() else { break };
        filter.after_id = Some(last.id);
        if !page.more {
            break;
        }
    }
    assert_eq!(found, appended);

    // What is older than the last third goes with its files.
    let time = entry(40_000, "").time;
    assert_eq!(store.delete_logs_before(time).await.unwrap(), 40_000);
    let after = segments(folder.path());
    assert!(after.len() < before.len());
    assert!(!after.contains(&before[0]));
    let all = LogFilter::new;
    assert_eq!(store.max_log_id(all()).await.unwrap(), 60_000);
    let oldest = LogQuery::new(all()).direction(threadkeep_core::Direction::Ascending).limit(1);
    assert_eq!(store.query(oldest).await.unwrap().items[0].id, 40_001);

    // A cap in bytes holds for all files together, also where it is less than a segment.
    for most in [20_000_000, 3_000_000] {
        store.prune(Retention::max_bytes(most), Duration::from_secs(30)).await.unwrap();
        let bytes: u64 =
            segments(folder.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(bytes <= most, "{bytes} bytes, at most {most}");
        assert!(store.stats().await.unwrap().log_entries > 0);
        assert_eq!(store.max_log_id(all()).await.unwrap(), 60_000);
    }
    // Numbers go on, also where every entry went.
    store.delete_logs_before(DateTime::<Utc>::MAX_UTC).await.unwrap();
    assert_eq!(store.stats().await.unwrap().log_entries, 0);
    let ids = store.append(vec![entry(1, "next")]).await.unwrap().unwrap();
    assert_eq!(ids.first, 60_001);
    store.close().await.unwrap();
}

#[tokio::test]
async fn damaged_logs_stop_neither_threads_nor_logs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    let store = RedbStore::open(&path).await.unwrap();
    // Nothing goes unasked.
    let everything = RedbOptions::default().retention(Retention::default());
    let before = store.append(vec![entry(1, "text")]).await.unwrap().unwrap();
    store.close().await.unwrap();
    for file in segments(folder.path()) {
        fs::write(file, "not a database any more").unwrap();
    }
    let store = RedbStore::open_with(&path, everything).await.unwrap();
    store.upsert_thread(row(1)).await.unwrap();
    let all = || LogQuery::new(LogFilter::new());
    let error = store.query(all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert!(error.to_string().contains("00000000000000000001.redb"), "{error}");
    let id = row(1).id;
    store.write(Change::Delete { id, at: Timestamp::from_millis(9) }.into()).await.unwrap();
    assert_eq!(store.list(ThreadQuery::new()).await.unwrap().items.len(), 0);

    // The next append moves the file aside and goes on behind every number that it may hold.
    for round in 1..=3 {
        let next = store.append(vec![entry(2, "t")]).await.unwrap().unwrap();
        assert!(next.first > before.last, "{next:?}, before {before:?}");
        let page = store.query(all()).await.unwrap();
        assert_eq!(page.items.len(), round);
        assert_eq!(page.items[0].id, next.last);
        assert_eq!(page.deleted_through, page.items[round - 1].id - 1);
    }
    let files = segments(folder.path());
    assert_eq!(files.len(), 2, "{files:?}");
    let aside = files[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(aside, "00000000000000000001.redb.damaged-1");
    assert_eq!(fs::read(&files[0]).unwrap(), b"not a database any more");
    let report = store.check().await.unwrap();
    assert!(report.problems.iter().any(|problem| problem.contains(aside)), "{report:?}");
    store.maintain(Duration::from_secs(5)).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_left_behind_when_there_is_room_again() {
    for sharing in SHARINGS {
        let disk = SimulatedDisk::new();
        let options = RedbOptions::default().sharing(sharing).disk(&disk);
        let store = RedbStore::open_with("threads.redb", options).await.unwrap();
        store.upsert_thread(row(1)).await.unwrap();
        disk.fill_after(0);
        let error = store.upsert_thread(row(2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
        disk.disarm();
        store.upsert_thread(row(2)).await.unwrap();
        assert_eq!(store.list(ThreadQuery::new()).await.unwrap().items.len(), 2);
        assert!(store.check().await.unwrap().is_sound());
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn space_of_deleted_threads_returns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    let store = RedbStore::open(&path).await.unwrap();
    let mut batch = WriteBatch::new();
    let ids: Vec<_> = (0..3_000).map(|_| ThreadId::new()).collect();
    for id in &ids {
        let mut row = row(0);
        row.id = *id;
        row.sandbox_policy = noise(1, 2_000);
        batch.push(Change::Put(Box::new(row)));
    }
    store.write(batch).await.unwrap();
    let full = store.stats().await.unwrap();
    let mut batch = WriteBatch::new();
    for id in ids {
        batch.push(Change::Delete { id, at: Timestamp::from_millis(9) });
    }
    store.write(batch).await.unwrap();
    let emptied = store.stats().await.unwrap();
    assert!(emptied.live_bytes < full.live_bytes / 4, "{emptied:?}, before {full:?}");
    let mut freed = 0;
    loop {
        let maintained = store.maintain(Duration::from_secs(30)).await.unwrap();
        freed += maintained.freed_bytes;
        if maintained.done {
            break;
        }
    }
    let after = store.stats().await.unwrap();
    assert!(after.thread_bytes < full.thread_bytes / 4, "{after:?}, before {full:?}");
    assert_eq!(freed, emptied.thread_bytes - after.thread_bytes);
    assert_eq!(after.tombstones, 3_000);
    assert!(store.check().await.unwrap().is_sound());
    store.close().await.unwrap();
}
