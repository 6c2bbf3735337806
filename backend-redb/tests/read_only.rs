//! Handles that only read, beside writers in other processes and after these were killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use threadkeep_core::{
    ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, LogStore as _, Retention, Store as _,
    ThreadId, ThreadMetadata, ThreadQuery, ThreadSeed, ThreadStore as _, ThreadStoreExt as _,
    Timestamp,
};
use threadkeep_redb::{RedbOptions, RedbStore, Sharing};

/// Names, for a process that writes, the store, and how it is shared.
const VICTIM: &str = "THREADKEEP_TEST_VICTIM";
const SHARED: [Sharing; 2] = [Sharing::Auto, Sharing::Single];

fn row(number: u8) -> ThreadMetadata {
    let id = ThreadId::from_bytes([number; 16]);
    let mut row = ThreadSeed::new(id, "/a.jsonl", Timestamp::from_millis(5)).into_metadata();
    row.has_user_event = true;
    row
}

fn entry(text: &str) -> LogEntry {
    LogEntry::new(DateTime::UNIX_EPOCH, LogLevel::Info, "target", text)
}

fn options(sharing: Sharing) -> RedbOptions {
    RedbOptions::default().sharing(sharing).retention(Retention::default())
}

async fn read_only(path: &Path, sharing: Sharing) -> RedbStore {
    RedbStore::open_with(path, options(sharing).read_only(true)).await.unwrap()
}

/// How many threads and log entries there are.
async fn counts(store: &RedbStore) -> (usize, usize) {
    let threads = store.list(ThreadQuery::new()).await.unwrap().items.len();
    let entries = store.query(LogQuery::new(LogFilter::new())).await.unwrap().items.len();
    (threads, entries)
}

/// What is in the folder, all the way down: bytes, and when they were written.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut files = BTreeMap::new();
    for found in fs::read_dir(folder).unwrap() {
        let path = found.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            let written = path.metadata().unwrap().modified().unwrap();
            files.insert(path.display().to_string(), (fs::read(&path).unwrap(), written));
        }
    }
    files
}

/// Another process that writes a row and an entry for each line it is given, and says so.
struct Writer {
    process: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn begin(path: &Path, sharing: Sharing) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_in_another_process", "--nocapture"])
            .env(VICTIM, format!("{sharing} {}", path.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut writer = Self { process, said };
        writer.hear("open");
        writer
    }

    fn hear(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the writer ended");
        }
    }

    fn write(&mut self) {
        use std::io::Write as _;

        let input = self.process.stdin.as_mut().unwrap();
        input.write_all(b"write\n").unwrap();
        input.flush().unwrap();
        self.hear("written");
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn writes_in_another_process() {
    let Ok(task) = std::env::var(VICTIM) else { return };
    let (sharing, path) = task.split_once(' ').unwrap();
    let store = RedbStore::open_with(path, options(sharing.parse().unwrap())).await.unwrap();
    println!("\nopen");
    for (number, _) in (1..).zip(std::io::stdin().lines()) {
        store.upsert_thread(row(number)).await.unwrap();
        store.append(vec![entry("text")]).await.unwrap();
        println!("written");
    }
}

#[tokio::test]
async fn commits_of_another_process_are_seen_until_it_is_killed_and_after() {
    for sharing in SHARED {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("threads.redb");
        let mut writer = Writer::begin(&path, sharing);
        let store = read_only(&path, sharing).await;
        for written in 1..=3 {
            writer.write();
            assert_eq!(counts(&store).await, (written, written), "{sharing}");
        }
        writer.kill();
        let left = files(folder.path());
        assert_eq!(counts(&store).await, (3, 3), "{sharing}, after the writer was killed");
        // Who comes now finds files that nobody has put in order, and leaves them so.
        store.close().await.unwrap();
        let store = read_only(&path, sharing).await;
        assert_eq!(counts(&store).await, (3, 3), "{sharing}, opened after that");
        let stats = store.stats().await.unwrap();
        assert_eq!((stats.threads, stats.log_entries), (3, 3));
        assert!(files(folder.path()) == left, "{sharing}: files were changed");

        let mut writer = Writer::begin(&path, sharing);
        writer.write();
        assert_eq!(counts(&store).await, (3, 4), "{sharing}, beside the next writer");
        writer.kill();
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_process_left_that_was_killed_while_it_wrote_is_read_as_far_as_it_was_written() {
    use std::io::Write as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    let mut least = 0;
    for round in 1..=6 {
        let mut writer = Writer::begin(&path, Sharing::Auto);
        // It is killed somewhere in what it was told to do.
        writer.process.stdin.as_mut().unwrap().write_all(&b"write\n".repeat(200)).unwrap();
        for _ in 0..7 * round {
            writer.hear("written");
            least += 1;
        }
        writer.kill();
        let store = read_only(&path, Sharing::Auto).await;
        let query = LogQuery::new(LogFilter::new()).limit(2_000);
        let entries = store.query(query).await.unwrap().items;
        assert!(entries.len() >= least, "{} entries, {least} were acknowledged", entries.len());
        assert!(entries.iter().all(|row| row.entry == entry("text")));
        least = entries.len();
        let page = store.list(ThreadQuery::new().limit(1_000)).await.unwrap();
        assert!(page.items.len() >= 7 * round && page.skipped.is_empty());
        assert!(store.check().await.unwrap().is_sound());
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn reading_changes_no_file_and_every_write_is_refused() {
    for sharing in [Sharing::Auto, Sharing::Single, Sharing::Exclusive] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("threads.redb");
        let store = RedbStore::open_with(&path, options(sharing)).await.unwrap();
        store.upsert_thread(row(1)).await.unwrap();
        store.append(vec![entry("text")]).await.unwrap();
        store.close().await.unwrap();
        let before = files(folder.path());
        let store = read_only(&path, sharing).await;
        assert_eq!(counts(&store).await, (1, 1));
        assert!(store.check().await.unwrap().is_sound());
        let budget = Duration::from_secs(1);
        for error in [
            store.upsert_thread(row(2)).await.unwrap_err(),
            store.append(vec![entry("no")]).await.unwrap_err(),
            store.prune(Retention::thread_rows(0), budget).await.unwrap_err(),
            store.maintain(budget).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
            assert!(error.hint_text().is_some(), "{error:?}");
        }
        store.flush().await.unwrap();
        // A copy is made elsewhere.
        let copy = folder.path().with_extension("copy");
        store.backup(copy.clone()).await.unwrap();
        fs::remove_dir_all(copy).unwrap();
        store.close().await.unwrap();
        assert!(files(folder.path()) == before, "{sharing}: files were changed");
    }
}

#[tokio::test]
async fn who_waits_hears_a_writer_of_this_process_and_the_closing_of_its_own_handle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    let writer = RedbStore::open_with(&path, options(Sharing::Auto)).await.unwrap();
    let [one, other] =
        [read_only(&path, Sharing::Auto).await, read_only(&path, Sharing::Auto).await];
    let hour = Duration::from_hours(1);
    let waits = |store: &RedbStore| {
        let store = store.clone();
        tokio::spawn(async move { store.changed(0, hour).await })
    };
    let (of_one, of_other) = (waits(&one), waits(&other));
    tokio::task::yield_now().await;
    one.close().await.unwrap();
    assert_eq!(of_one.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(!of_other.is_finished());
    writer.append(vec![entry("text")]).await.unwrap();
    of_other.await.unwrap().unwrap();
    assert_eq!(counts(&other).await, (0, 1));
    other.close().await.unwrap();
    writer.close().await.unwrap();
}

#[tokio::test]
async fn there_has_to_be_a_store_that_may_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    let refused = |path: std::path::PathBuf| async move {
        let error = RedbStore::open_read_only(path).await.expect_err("it was opened");
        assert!(error.hint_text().is_some(), "{error:?}");
        error.kind()
    };
    assert_eq!(refused(path.clone()).await, ErrorKind::NotFound);
    assert_eq!(refused(folder.path().join("no/threads.redb")).await, ErrorKind::NotFound);
    fs::write(&path, "").unwrap();
    assert_eq!(refused(path.clone()).await, ErrorKind::NotFound, "a file without a byte");
    fs::write(&path, "a letter, not a database\n".repeat(400)).unwrap();
    assert_eq!(refused(path.clone()).await, ErrorKind::Corrupted);
    fs::remove_file(&path).unwrap();
    // One process has it.
    let alone = RedbStore::open_with(&path, options(Sharing::Exclusive)).await.unwrap();
    assert_eq!(refused(path).await, ErrorKind::Locked);
    alone.close().await.unwrap();
}
