//! Several processes on one store. The test binary starts itself again in another role.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use threadkeep_core::{
    Change, ErrorKind, FieldPatch, Store, ThreadId, ThreadPatch, ThreadSeed, ThreadStore,
    ThreadStoreExt, Timestamp, WriteBatch,
};
use threadkeep_sqlite::{SqliteOptions, SqliteStore};

const ROLE: &str = "THREADKEEP_TEST_ROLE";
const STORE: &str = "THREADKEEP_TEST_STORE";
const THREAD: ThreadId = ThreadId::from_bytes([7; 16]);

/// Starts this binary again, running only the test named like the role.
fn start(role: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("role_{role}"), "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(STORE, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn finish(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The store to work on, when this process was started in the role.
fn store_of(role: &str) -> Option<std::path::PathBuf> {
    (std::env::var(ROLE).ok()? == role).then(|| std::env::var_os(STORE).unwrap().into())
}

fn seed(id: ThreadId) -> ThreadSeed {
    ThreadSeed::new(id, "/sessions/a.jsonl", Timestamp::from_millis(1))
}

#[tokio::test]
async fn role_open() {
    let Some(path) = store_of("open") else { return };
    let store = SqliteStore::open(path).await.unwrap();
    store.upsert_thread(seed(ThreadId::new()).into_metadata()).await.unwrap();
    store.close().await.unwrap();
}

#[test]
fn eight_processes_open_a_fresh_store_at_once() {
    for _ in 0..50 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("threads.db");
        let children: Vec<_> = (0..8).map(|_| start("open", &path)).collect();
        children.into_iter().for_each(finish);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let threads = runtime.block_on(async {
            SqliteStore::open(&path).await.unwrap().stats().await.unwrap().threads
        });
        assert_eq!(threads, 8);
    }
}

/// Turns of each process on one thread; a fourth of them in each task.
const PATCHES: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn role_patch() {
    let Some(file) = store_of("patch") else { return };
    let store = SqliteStore::open(file).await.unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for count in 0..PATCHES / 4 {
                    // A patch that expects nothing is never refused, whoever writes meanwhile.
                    let mut patch = ThreadPatch::default();
                    let model = format!("{} {task} {count}", std::process::id());
                    patch.model = FieldPatch::Set(Some(model));
                    store.write(Change::Patch(THREAD, Box::new(patch)).into()).await.unwrap();
                    add_one(&store).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.close().await.unwrap();
}

/// Counts in the thread's tokens: reads, and writes only onto the revision that was read.
async fn add_one(store: &SqliteStore) {
    loop {
        let row = store.get_thread(THREAD).await.unwrap().unwrap();
        let mut patch = ThreadPatch::default();
        patch.tokens_used = FieldPatch::Set(row.tokens_used + 1);
        let batch = WriteBatch::new().and_if(
            threadkeep_core::Expect::Revision(row.revision),
            Change::Patch(THREAD, Box::new(patch)),
        );
        match store.write(batch).await {
            Ok(_) => return,
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn two_processes_of_four_tasks_lose_no_update() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.upsert_thread(seed(THREAD).into_metadata()).await.unwrap();
    let children = [start("patch", &path), start("patch", &path)];
    tokio::task::spawn_blocking(|| children.into_iter().for_each(finish)).await.unwrap();
    let row = store.get_thread(THREAD).await.unwrap().unwrap();
    assert_eq!(row.tokens_used, 2 * i64::try_from(PATCHES).unwrap());
    // Two processes, two writes a turn, and every one of them a revision of its own.
    assert_eq!(row.revision, 1 + 2 * 2 * PATCHES as u64);
}

/// Holds the write lock until told to stop, or for a minute.
#[tokio::test]
async fn role_hold() {
    let Some(path) = store_of("hold") else { return };
    let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    std::fs::write(path.with_extension("held"), "").unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
}

async fn hold(path: &Path) -> Child {
    let child = start("hold", path);
    let since = Instant::now();
    while !path.with_extension("held").exists() {
        assert!(since.elapsed() < Duration::from_secs(20), "the lock was not taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child
}

#[tokio::test]
async fn an_up_to_date_store_opens_while_another_process_holds_the_write_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.upsert_thread(seed(THREAD).into_metadata()).await.unwrap();
    store.close().await.unwrap();
    let mut holder = hold(&path).await;

    let options = SqliteOptions::default().deadline(Duration::from_millis(300));
    let store = SqliteStore::open_with(&path, options).await.unwrap();
    assert!(store.get_thread(THREAD).await.unwrap().is_some());
    let error = store.rename(THREAD, Some("x".into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.is_retryable());

    // SIGKILL: the lock goes with its holder.
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(store.rename(THREAD, Some("x".into())).await.unwrap());
}
