//! A disk without room.

use std::time::SystemTime;

use threadkeep_core::{
    Applied, Change, ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, LogStore as _, Store as _,
    ThreadId, ThreadQuery, ThreadSeed, ThreadStore as _, ThreadStoreExt as _, Timestamp,
    WriteBatch,
};
use threadkeep_test_server::{Server, Settings, or_forbidden, or_skip};

use crate::common::{self, factor, open};

/// A row that takes some pages.
fn large(nth: u32) -> (ThreadId, WriteBatch) {
    let at = Timestamp::from_millis(i64::from(nth));
    let id = ThreadId::new();
    let mut row = ThreadSeed::new(id, "/sessions/a.jsonl", at).into_metadata();
    // Not to be compressed.
    row.title = (0..2_000).map(|_| ThreadId::new().to_string()).collect();
    (id, Change::Put(Box::new(row)).into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_is_said_to_be_and_nothing_breaks() {
    let test = "a_full_disk_is_said_to_be_and_nothing_breaks";
    let Some(server) = or_skip(test, Server::start(Settings::durable())) else { return };
    let Some(disk) = or_forbidden(test, server.small_disk(64)) else { return };
    server.psql(&format!("create database small tablespace {}", disk.name())).unwrap();
    let url = server.url().replace("/postgres?", "/small?");
    let store = open(&url).await.unwrap();
    let mut there = Vec::new();
    let mut last_log = 0;
    let rounds = 2 * factor();
    let (mut full, mut written) = (0, 0);
    for round in 0..rounds {
        for _ in 0..20 {
            let (id, batch) = large(written);
            store.write(batch).await.unwrap();
            there.push(id);
            written += 1;
        }
        disk.fill().unwrap();
        let mut absent = Vec::new();
        let (mut threads_full, mut logs_full) = (0, 0);
        for attempt in 0..400 {
            let (id, batch) = large(written);
            match store.write(batch).await {
                Ok(_) => there.push(id),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
                    assert_eq!(error.outcome(), Applied::NotApplied, "{error:?}");
                    assert!(error.hint_text().is_some() && error.is_retryable(), "{error:?}");
                    absent.push(id);
                    threads_full += 1;
                }
            }
            let message = ThreadId::new().to_string().repeat(200);
            let entry = LogEntry::new(SystemTime::now().into(), LogLevel::Info, "full", message);
            match store.append(vec![entry]).await {
                Ok(ids) => last_log = ids.unwrap().last,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
                    assert_eq!(error.outcome(), Applied::NotApplied, "{error:?}");
                    logs_full += 1;
                }
            }
            if threads_full >= 5 && logs_full >= 5 {
                break;
            }
            assert!(attempt < 399, "the disk never filled: {threads_full} {logs_full}");
        }
        full += threads_full + logs_full;
        // Reads go on.
        let found = store.threads(there.clone()).await.unwrap();
        assert!(found.iter().all(Option::is_some), "round {round}");
        store.list(ThreadQuery::everything()).await.unwrap();
        let newest = store.query(LogQuery::new(LogFilter::new()).limit(1)).await.unwrap();
        assert_eq!(newest.items.first().map_or(0, |row| row.id), last_log);
        disk.empty().unwrap();
        // And so do writes, after a while at most.
        let (_, batch) = large(written);
        store.write(batch).await.unwrap();
        let entry = common::entries(7, round as usize);
        last_log = store.append(entry).await.unwrap().unwrap().last;
        let found = store.threads(there.clone()).await.unwrap();
        assert!(found.iter().all(Option::is_some), "round {round}");
        let found = store.threads(absent).await.unwrap();
        assert!(found.iter().all(Option::is_none), "round {round}");
        let report = store.check().await.unwrap();
        assert!(report.is_sound(), "{report:?}");
    }
    println!("{test}: {rounds} rounds, {} threads there, {full} errors StorageFull", there.len());
    assert!(store.get_thread(there[0]).await.unwrap().is_some());
    store.close().await.unwrap();
}
