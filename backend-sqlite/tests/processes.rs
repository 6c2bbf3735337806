//! What other processes hold, and what they leave behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use threadkeep_core::{ErrorKind, Store, ThreadId, ThreadSeed, ThreadStoreExt, Timestamp};
use threadkeep_sqlite::{SqliteOptions, SqliteStore};

const THREAD: ThreadId = ThreadId::from_bytes([7; 16]);

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("{}?mode=rwc", path.display())).await.unwrap()
}

async fn put(store: &SqliteStore) {
    let seed = ThreadSeed::new(THREAD, "/sessions/a.jsonl", Timestamp::from_millis(1));
    store.upsert_thread(seed.into_metadata()).await.unwrap();
}

#[tokio::test]
async fn an_up_to_date_store_opens_while_the_write_lock_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.db");
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store).await;
    store.close().await.unwrap();
    let mut holder = connect(&path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();

    let options = SqliteOptions::default().deadline(Duration::from_millis(300));
    let store = SqliteStore::open_with(&path, options).await.unwrap();
    assert!(store.get_thread(THREAD).await.unwrap().is_some());
    let error = store.rename(THREAD, Some("x".into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.is_retryable());

    holder.close().await.unwrap();
    assert!(store.rename(THREAD, Some("x".into())).await.unwrap());
}

/// A process that creates a file may be killed while SQLite's journal holds what was there before,
/// which a connection that only reads cannot bring back.
#[tokio::test]
async fn a_store_whose_creation_was_cut_off_is_created_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.db");
    let journal = folder.path().join("threads.db-journal");
    let draft = folder.path().join("draft.db");
    let mut creator = connect(&draft).await;
    // With so small a cache pages are written before the commit, which never comes.
    sqlx::raw_sql(
        "PRAGMA cache_size = 1; BEGIN; CREATE TABLE part (bytes);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
         INSERT INTO part SELECT randomblob(2000) FROM n",
    )
    .execute(&mut creator)
    .await
    .unwrap();
    std::fs::copy(&draft, &path).unwrap();
    std::fs::copy(folder.path().join("draft.db-journal"), &journal).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > 0);

    let store = SqliteStore::open(&path).await.unwrap();
    put(&store).await;
    assert!(store.check().await.unwrap().is_sound());
    store.close().await.unwrap();
    assert!(!journal.exists());
}
