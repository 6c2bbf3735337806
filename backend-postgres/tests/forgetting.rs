//! What a store forgets: old names of batches, and writers that are gone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use threadkeep_core::{BatchId, Change, Store as _, ThreadStore as _, WriteBatch};
use threadkeep_postgres::{PostgresOptions, PostgresStore};
use threadkeep_test_server::{or_skip, shared};

async fn count(connection: &mut PgConnection, sql: &'static str, value: &str) -> i64 {
    sqlx::query_scalar(sql).bind(value).fetch_one(connection).await.unwrap()
}

fn note(text: &str) -> Change {
    Change::SetCheckpoint { key: "note".into(), value: Some(text.into()) }
}

#[tokio::test]
async fn the_newest_10_000_batches_are_remembered_and_no_more() {
    let test = "the_newest_10_000_batches_are_remembered_and_no_more";
    let Some(server) = or_skip(test, shared()) else { return };
    let namespace = BatchId::new().to_string();
    let options = PostgresOptions::from_url(&server.url()).unwrap();
    let options = options.namespace(namespace.as_str()).unwrap();
    let store = PostgresStore::open_with(options).await.unwrap();
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    // Those of other namespaces do not count.
    sqlx::query(
        r"INSERT INTO threadkeep.batches (namespace, id, outcomes)
          SELECT $1 || n % 2, gen_random_uuid(), '\x' FROM generate_series(1, 30000) AS n",
    )
    .bind(&namespace)
    .execute(&mut connection)
    .await
    .unwrap();
    sqlx::query("UPDATE threadkeep.batches SET namespace = $1 WHERE namespace = $1 || '0'")
        .bind(&namespace)
        .execute(&mut connection)
        .await
        .unwrap();
    let newest = WriteBatch::new().with_id(BatchId::new()).and(note("first"));
    let outcomes = store.write(newest.clone()).await.unwrap();
    assert!(store.maintain(Duration::from_secs(20)).await.unwrap().done);
    let of = "SELECT count(*) FROM threadkeep.batches WHERE namespace = $1";
    assert_eq!(count(&mut connection, of, &namespace).await, 10_000);
    assert_eq!(count(&mut connection, of, &format!("{namespace}1")).await, 15_000);
    assert_eq!(store.write(newest).await.unwrap(), outcomes);
}

#[tokio::test]
async fn a_writer_that_was_idle_for_days_goes_on() {
    let test = "a_writer_that_was_idle_for_days_goes_on";
    let Some(server) = or_skip(test, shared()) else { return };
    let namespace = BatchId::new().to_string();
    let options = PostgresOptions::from_url(&server.url()).unwrap();
    let options = options.namespace(namespace.as_str()).unwrap();
    let idle = PostgresStore::open_with(options.clone()).await.unwrap();
    idle.write(note("1").into()).await.unwrap();
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql("UPDATE threadkeep.writers SET at = now() - interval '2 days'")
        .execute(&mut connection)
        .await
        .unwrap();
    let other = PostgresStore::open_with(options).await.unwrap();
    other.write(note("2").into()).await.unwrap();
    assert!(other.maintain(Duration::from_secs(20)).await.unwrap().done);
    let old =
        "SELECT count(*) FROM threadkeep.writers WHERE at < now() - interval '1 day' AND $1 <> ''";
    assert_eq!(count(&mut connection, old, &namespace).await, 0);
    assert_eq!(idle.write(note("3").into()).await.unwrap()[0].revision, 3);
}
