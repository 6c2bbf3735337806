//! How often a call goes to the server and back, counted by a proxy between.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::PgPool;
use threadkeep_core::{
    Change, LogFilter, LogQuery, LogStore, Store, ThreadId, ThreadQuery, ThreadStore, WriteBatch,
};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::Proxy;

use super::spread::Spread;
use super::{plain_threads, setup};
use crate::entries::Entries;
use crate::rows;

const ROUNDS: usize = 5;
const SIZES: [u64; 4] = [1, 10, 100, 1_000];
/// Threads that are there; the greatest size and more.
const PRESENT: u64 = 2_000;
/// In which a writer that has nothing to do finishes its upkeep.
const REST: Duration = Duration::from_millis(100);

/// Counts and prints.
pub(crate) async fn run() -> Result<()> {
    println!(
        "postgres-round-trips: round trips and kB of a call (least / median / most of {ROUNDS})"
    );
    let Some(server) = setup::server()? else { return Ok(()) };
    let proxy = Proxy::start(server.address().context("the server has no address")?)?;
    let url = proxy.url(&setup::database(&server, "round_trips")?);
    let store = setup::open(&url).await?;
    rows::put_all(&store, PRESENT as usize).await?;
    let mut entries = Entries::new();
    // The first append makes partitions.
    store.append(entries.batch(1)).await?;
    store.list(ThreadQuery::new()).await?;

    println!("  {:<50} {:>14} {:>24}   bar", "", "round trips", "kB");
    let mut absent = PRESENT;
    for size in SIZES {
        count(&proxy, &format!("batch of {size}, present"), "2", async || {
            write(&store, 0..size).await
        })
        .await?;
        count(&proxy, &format!("batch of {size}, absent"), "2", async || {
            absent += size;
            write(&store, absent - size..absent).await
        })
        .await?;
        if size == 1 {
            continue;
        }
        count(&proxy, &format!("batch of {size}, half of them absent"), "2", async || {
            let new = size / 2;
            absent += new;
            write(&store, (absent - new..absent).chain(0..size - new)).await
        })
        .await?;
    }
    reads(&proxy, &store, &mut entries).await?;
    store.close().await?;
    let pool = setup::pool(&url, 1).await?;
    peers(&proxy, &pool).await?;
    pool.close().await;
    Ok(())
}

async fn reads(proxy: &Proxy, store: &PostgresStore, entries: &mut Entries) -> Result<()> {
    for size in [1, 128] {
        count(proxy, &format!("append of {size}"), "1", async || {
            store.append(entries.batch(size)).await?;
            Ok(())
        })
        .await?;
    }
    let first = rows::thread(1, false).id;
    count(proxy, "page of 50", "1", async || {
        store.list(ThreadQuery::new().limit(50)).await?;
        Ok(())
    })
    .await?;
    for size in [1, 100] {
        let ids: Vec<_> = (0..size).map(|number| rows::thread(number, false).id).collect();
        count(proxy, &format!("{size} threads by id"), "1", async || {
            store.threads(ids.clone()).await?;
            Ok(())
        })
        .await?;
    }
    count(proxy, "the tools of a thread", "1", async || {
        threadkeep_core::DynamicToolStore::dynamic_tools(store, first).await?;
        Ok(())
    })
    .await?;
    count(proxy, "page of 100 log entries", "1", async || {
        store.query(LogQuery::new(LogFilter::new()).limit(100)).await?;
        Ok(())
    })
    .await
}

/// The peer: a transaction with two prepared statements a change.
async fn peers(proxy: &Proxy, pool: &PgPool) -> Result<()> {
    for size in SIZES {
        let ids: Vec<ThreadId> = (0..size).map(|number| rows::thread(number, false).id).collect();
        let mut round = 0;
        plain_threads::change_all(pool, &ids[..1], round).await?;
        count(proxy, &format!("peer: {size} present, two statements each"), "", async || {
            round += 1;
            plain_threads::change_all(pool, &ids, round).await
        })
        .await?;
    }
    Ok(())
}

async fn write(store: &dyn ThreadStore, numbers: impl IntoIterator<Item = u64>) -> Result<()> {
    let mut batch = WriteBatch::new();
    for number in numbers {
        let mut row = rows::thread(number, false);
        // Another value each time, so that each is a change.
        row.tokens_used = std::time::UNIX_EPOCH.elapsed()?.as_micros() as i64;
        batch.push(Change::Put(Box::new(row)));
    }
    store.write(batch).await?;
    Ok(())
}

/// Counts what one call sends, several times; the first time may connect.
async fn count(
    proxy: &Proxy,
    name: &str,
    bar: &str,
    mut call: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let (mut trips, mut bytes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        tokio::time::sleep(REST).await;
        proxy.reset_counters();
        call().await?;
        trips.push(proxy.round_trips() as f64);
        bytes.push(proxy.bytes() as f64 / 1e3);
    }
    let (trips, bytes) = (Spread::of(trips).show(0), Spread::of(bytes).show(1));
    println!("  {name:<50} {trips:>14} {bytes:>24}   {bar}");
    Ok(())
}
