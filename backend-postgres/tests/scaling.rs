//! What `docs/SCALING.md` says to do, done.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use threadkeep_core::moving::{CopyOptions, Parts, copy, digest};
use threadkeep_core::{
    ErrorKind, LogEntry, LogLevel, LogStoreExt as _, Store, ThreadId, ThreadQuery, ThreadSeed,
    ThreadStore as _, ThreadStoreExt as _, Timestamp,
};
use threadkeep_postgres::{PostgresOptions, PostgresStore};
use threadkeep_test_server::{Server, or_skip, shared};

const SCALING: &str = include_str!("../../docs/SCALING.md");
const TEAM: &str = "team-a";
const THREADS: i64 = 500;

/// The statements of the page, by the language of their block.
fn block(language: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let (_, after) = SCALING.split_once(&fence).expect("the page has such a block");
    after.split_once("```").unwrap().0
}

/// The statement that freezes a namespace, as the page has it.
fn freezing() -> &'static str {
    let at = SCALING.find("SELECT pg_advisory_lock(").expect("the page says how to freeze");
    SCALING[at..].split_once('`').unwrap().0
}

fn options(url: &str, namespace: &str) -> PostgresOptions {
    PostgresOptions::from_url(url).unwrap().namespace(namespace).unwrap()
}

async fn filled(url: &str, namespace: &str) -> (PostgresStore, Vec<ThreadId>) {
    let store = PostgresStore::open_with(options(url, namespace)).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..THREADS {
        let id = ThreadId::new();
        let seed = ThreadSeed::new(id, format!("/{number}.jsonl"), Timestamp::from_millis(number));
        let mut row = seed.into_metadata();
        row.has_user_event = true;
        store.upsert_thread(row).await.unwrap();
        ids.push(id);
    }
    let entry = LogEntry::new(std::time::SystemTime::now().into(), LogLevel::Info, "t", "m");
    store.insert_logs(vec![entry; 10]).await.unwrap();
    (store, ids)
}

/// A database of its own on the server.
fn database(server: &Server, name: &str) -> String {
    server.create_database(name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_gets_a_partition_of_its_own() {
    let test = "a_namespace_gets_a_partition_of_its_own";
    let Some(server) = or_skip(test, shared()) else { return };
    let url = database(server, "own_partition");
    let (store, ids) = filled(&url, TEAM).await;
    let (other, _) = filled(&url, "team-b").await;
    let before = digest(&store, Parts::default()).await.unwrap();
    sqlx::raw_sql(block("sql"))
        .execute(&mut connect(&url).await)
        .await
        .expect("the statements of the page");
    assert_eq!(digest(&store, Parts::default()).await.unwrap(), before);
    store.rename(ids[0], Some("renamed".into())).await.unwrap();
    let page = store.list(ThreadQuery::new().limit(1_000)).await.unwrap();
    assert_eq!(page.items.len(), ids.len());
    assert_eq!(other.stats().await.unwrap().threads, THREADS as u64);
    let count =
        |table: &str| format!("SELECT count(*) FROM threadkeep.{table} WHERE namespace = '{TEAM}'");
    let mut connection = connect(&url).await;
    for (table, rows) in [("threads_team_a", THREADS), ("threads_rest", 0)] {
        let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count(table)))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(found, rows, "{table}");
    }
    assert!(store.check().await.unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_namespace_is_moved_to_another_server() {
    let test = "a_frozen_namespace_is_moved_to_another_server";
    let Some(server) = or_skip(test, shared()) else { return };
    let (old_url, new_url) = (database(server, "moved_from"), database(server, "moved_to"));
    let (_, ids) = filled(&old_url, TEAM).await;
    let (bystander, _) = filled(&old_url, "team-b").await;
    let impatient = options(&old_url, TEAM).deadline(Duration::from_millis(300));
    let old = PostgresStore::open_with(impatient).await.unwrap();
    let new = PostgresStore::open_with(options(&new_url, TEAM)).await.unwrap();

    let mut freezer = connect(&old_url).await;
    sqlx::raw_sql(freezing()).execute(&mut freezer).await.expect("the statement of the page");
    let refused = old.rename(ids[0], Some("late".into())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Busy, "{refused:?}");
    assert_eq!(old.get_thread(ids[0]).await.unwrap().unwrap().name, None);
    bystander.stats().await.unwrap();

    let moved = copy(&old, &new, &CopyOptions::new()).await.unwrap();
    assert_eq!(moved.threads.total(), THREADS as u64);
    assert_eq!(
        digest(&old, Parts::default()).await.unwrap(),
        digest(&new, Parts::default()).await.unwrap()
    );
    new.rename(ids[0], Some("on the new server".into())).await.unwrap();
    drop(freezer);
}

async fn connect(url: &str) -> sqlx::PgConnection {
    use sqlx::Connection as _;

    sqlx::PgConnection::connect(url).await.unwrap()
}
