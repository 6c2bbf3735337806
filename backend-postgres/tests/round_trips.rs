//! How often a call goes to the server and back: what decides over how fast it is from afar.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use threadkeep_core::{
    BatchId, Change, FieldPatch, ThreadId, ThreadMetadata, ThreadPatch, ThreadQuery, ThreadSeed,
    ThreadStore as _, Timestamp, WriteBatch,
};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::{Proxy, Server, Settings, or_skip};

const SIZES: [u32; 4] = [1, 10, 100, 1_000];

fn id(number: u32) -> ThreadId {
    let mut bytes = [7; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    ThreadId::from_bytes(bytes)
}

fn row(number: u32) -> ThreadMetadata {
    let at = Timestamp::from_millis(i64::from(number));
    let mut row =
        ThreadSeed::new(id(number), "/sessions/a.jsonl", at).source("cli").into_metadata();
    row.has_user_event = true;
    row
}

fn create(number: u32) -> Change {
    Change::Put(Box::new(row(number)))
}

fn update(number: u32) -> Change {
    let mut patch = ThreadPatch::default();
    patch.title = FieldPatch::Set("another".into());
    Change::Patch(id(number), Box::new(patch))
}

fn note(number: u32) -> Change {
    Change::SetCheckpoint { key: format!("run/{number}"), value: Some("done".into()) }
}

fn delete(number: u32) -> Change {
    Change::Delete { id: id(number), at: Timestamp::from_millis(1) }
}

#[tokio::test]
async fn a_batch_of_any_size_takes_two_round_trips() {
    let test = "a_batch_of_any_size_takes_two_round_trips";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let proxy = Proxy::start(server.address().unwrap()).unwrap();
    let store = PostgresStore::open(&proxy.url(&server.tcp_url())).await.unwrap();
    let named = WriteBatch::new().with_id(BatchId::new()).and(create(0));
    store.write(named).await.unwrap();
    // What the writer does when it has nothing to do is no part of any batch.
    tokio::time::sleep(Duration::from_millis(500)).await;

    for size in SIZES {
        for (what, change) in
            [("create", create as fn(u32) -> Change), ("update", update), ("note", note)]
        {
            let mut batch = WriteBatch::new().with_id(BatchId::new());
            (1..=size).map(|nth| size * 10 + nth).map(change).for_each(|change| batch.push(change));
            proxy.reset_counters();
            store.write(batch.clone()).await.unwrap();
            assert_eq!(proxy.round_trips(), 2, "{what} {size}");
            proxy.reset_counters();
            store.write(batch).await.unwrap();
            assert_eq!(proxy.round_trips(), 2, "repeated: {what} {size}");
        }
        eprintln!("a batch of {size} changes takes 2 round trips");
    }
    store.write(delete(0).into()).await.unwrap();
    for size in SIZES {
        // The writer of logs is done with the threads before.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut batch = WriteBatch::new();
        (1..=size).map(|nth| size * 10 + nth).map(delete).for_each(|change| batch.push(change));
        proxy.reset_counters();
        store.write(batch).await.unwrap();
        let taken = proxy.round_trips();
        eprintln!("deleting {size} threads takes {taken} round trips, with their logs");
        // The logs of many threads go some threads at a time.
        assert!(taken <= 4 + u64::from(size) / 100, "delete {size}: {taken}");
    }
}

#[tokio::test]
async fn a_page_takes_one_round_trip() {
    let test = "a_page_takes_one_round_trip";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let proxy = Proxy::start(server.address().unwrap()).unwrap();
    let store = PostgresStore::open(&proxy.url(&server.tcp_url())).await.unwrap();
    let mut batch = WriteBatch::new();
    (1..=1_000).map(create).for_each(|change| batch.push(change));
    store.write(batch).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;

    let many = (0..90).map(|nth| format!("source {nth}"));
    for (query, expected) in [
        (ThreadQuery::new(), 1),
        (ThreadQuery::everything().source("cli").limit(1_000), 1),
        (ThreadQuery::new().sources(many), 1),
        // One page is looked through; the transaction that keeps pages of one moment is ended.
        (ThreadQuery::new().text("nothing").limit(1_000), 2),
    ] {
        store.list(query.clone()).await.unwrap();
        proxy.reset_counters();
        store.list(query.clone()).await.unwrap();
        assert_eq!(proxy.round_trips(), expected, "{query:?}");
    }
    proxy.reset_counters();
    store.threads((1..=1_000).map(id).collect()).await.unwrap();
    assert_eq!(proxy.round_trips(), 1);
}
