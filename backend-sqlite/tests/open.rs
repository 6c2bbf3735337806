//! Opening what is there, what is not, and what is something else.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use threadkeep_core::{
    ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, LogStoreExt, Store, ThreadId, ThreadSeed,
    ThreadStoreExt, Timestamp,
};
use threadkeep_sqlite::SqliteStore;

async fn refused(path: &Path) -> ErrorKind {
    let before = std::fs::read(path).ok();
    let error = SqliteStore::open(path).await.err().expect("opened");
    assert_eq!(std::fs::read(path).ok(), before, "bytes changed");
    assert!(error.hint_text().is_some(), "{error:?}");
    assert!(
        error.to_string().contains(&*path.file_name().unwrap().to_string_lossy())
            || error.kind() == ErrorKind::NotFound
    );
    error.kind()
}

async fn execute(path: &Path, sql: &str) {
    let mut connection =
        SqliteConnection::connect(&format!("{}?mode=rwc", path.display())).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_is_no_store_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a database, but long enough to be one. ".repeat(200)).unwrap();
    assert_eq!(refused(&text).await, ErrorKind::Corrupted);

    let other = folder.path().join("other.db");
    execute(&other, "CREATE TABLE songs (title TEXT)").await;
    assert_eq!(refused(&other).await, ErrorKind::Corrupted);

    assert_eq!(refused(&folder.path().join("no/such/threads.db")).await, ErrorKind::NotFound);
    let error = SqliteStore::open(folder.path()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_newer_store_is_read_only_or_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let id = ThreadId::new();
    let row = ThreadSeed::new(id, "/a", Timestamp::from_millis(0)).into_metadata();
    store.upsert_thread(row).await.unwrap();
    store.close().await.unwrap();

    execute(
        &path,
        "UPDATE meta SET value = '99990101000000' WHERE key IN ('schema', 'min_writer')",
    )
    .await;
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(store.get_thread(id).await.unwrap().is_some());
    assert_eq!(store.rename(id, None).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    store.close().await.unwrap();

    execute(&path, "UPDATE meta SET value = '99990101000000' WHERE key = 'min_reader'").await;
    assert_eq!(refused(&path).await, ErrorKind::SchemaTooNew);
}

#[tokio::test]
async fn damaged_logs_do_not_stop_threads_and_reading_creates_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.db");
    let logs = folder.path().join("threads-logs.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let query = LogQuery::new(LogFilter::new());
    assert!(store.query_logs(query.clone()).await.unwrap().items.is_empty());
    assert!(!logs.exists());

    std::fs::write(&logs, "scribble ".repeat(1000)).unwrap();
    let row = ThreadSeed::new(ThreadId::new(), "/a", Timestamp::from_millis(0)).into_metadata();
    let id = row.id;
    store.upsert_thread(row).await.unwrap();
    assert_eq!(store.delete_threads(vec![id]).await.unwrap(), [id]);
    assert_eq!(store.query_logs(query).await.unwrap_err().kind(), ErrorKind::Corrupted);
    assert!(!store.check().await.unwrap().is_sound());

    // What could not be deleted is deleted by maintenance once the logs are usable.
    std::fs::remove_file(&logs).unwrap();
    let mut entry = LogEntry::new(chrono::DateTime::UNIX_EPOCH, LogLevel::Info, "t", "m");
    entry.thread_id = Some(id.to_string());
    store.insert_log(entry).await.unwrap();
    let maintained = store.maintain(std::time::Duration::from_secs(5)).await.unwrap();
    assert_eq!((maintained.log_entries, maintained.done), (1, true));
    store.close().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("threads.db")).await.unwrap();
    let entry = LogEntry::new(chrono::DateTime::UNIX_EPOCH, LogLevel::Info, "t", "m");
    store.insert_log(entry).await.unwrap();
    store.rename(ThreadId::new(), None).await.unwrap();
    store.backup(folder.path().join("copy")).await.unwrap();
    let mut files = 0;
    for folder in [folder.path().to_owned(), folder.path().join("copy")] {
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                files += 1;
                let mode = file.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{:?}", file.path());
            }
        }
    }
    assert!(files >= 6, "{files}");
}
