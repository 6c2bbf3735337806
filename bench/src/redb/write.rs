//! Many tasks writing little each.
//!
//! The peer is the straightforward way with redb in an async program: a blocking task a call, which
//! begins a write transaction, reads the row, changes it, stores it and its keys, and commits. Rows
//! and keys are those of the store, so that only the way differs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use redb::{ConcurrencyMode, Database, ReadableTable as _, TableDefinition};
use threadkeep_core::{
    Change, FieldPatch, Store, ThreadId, ThreadPatch, ThreadStore, Timestamp, index,
};
use threadkeep_migrations::kv;
use threadkeep_redb::{RedbOptions, RedbStore, Sharing};

use crate::measure::{Figures, figures};
use crate::{measure, rows};

const TASKS: u64 = 32;
const THREADS: TableDefinition<&[u8], &[u8]> = TableDefinition::new(kv::THREADS);
const INDEX: TableDefinition<&[u8], &[u8]> = TableDefinition::new(kv::INDEX);

/// Runs both in turn, three times, for each way to share the file, and prints the middle ratio.
pub(crate) async fn run(writes: u64) -> Result<()> {
    println!("redb-write: {TASKS} tasks, {writes} one-item batches each, to different threads");
    for (sharing, mode) in [
        (Sharing::Exclusive, ConcurrencyMode::ExclusiveWriter),
        (Sharing::Auto, ConcurrencyMode::MultiWriter),
    ] {
        let mut rounds = Vec::new();
        for _ in 0..3 {
            let ours = threadkeep(writes, sharing).await?;
            let peer = straightforward(writes, mode).await?;
            rounds.push((ours.rate / peer.rate, ours, peer));
        }
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, ours, peer) = &rounds[1];
        let row = |name: &str, value: String, bar| {
            measure::row(&format!("{sharing}: {name}"), value, bar);
        };
        row("throughput, times the peer's", format!("{ratio:.1}"), "at least 5");
        row("writes a second", format!("{:.0}", ours.rate), "");
        row("writes a second, peer", format!("{:.0}", peer.rate), "");
        row("median wait", format!("{:.2?}", ours.median), "");
        row("worst wait", format!("{:.2?}", ours.worst), "");
        row("median wait, peer", format!("{:.2?}", peer.median), "");
        row("worst wait, peer", format!("{:.2?}", peer.worst), "");
    }
    Ok(())
}

async fn fill(path: &Path, sharing: Sharing) -> Result<RedbStore> {
    let store = RedbStore::open_with(path, RedbOptions::default().sharing(sharing)).await?;
    rows::put_all(&store, 1_000).await?;
    Ok(store)
}

async fn threadkeep(writes: u64, sharing: Sharing) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let store = fill(&folder.path().join("threads.redb"), sharing).await?;
    let begun = Instant::now();
    let writing = store.clone();
    let write = move |id: ThreadId, count: u64| {
        let store = writing.clone();
        async move {
            let mut patch = ThreadPatch::default();
            patch.tokens_used = FieldPatch::Set(count as i64 + 1);
            patch.updated_at = Some(time(count));
            store.write(Change::Patch(id, Box::new(patch)).into()).await?;
            anyhow::Ok(())
        }
    };
    let figures = figures(begun, from_tasks(writes, write).await?);
    store.close().await?;
    Ok(figures)
}

async fn straightforward(writes: u64, mode: ConcurrencyMode) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("threads.redb");
    fill(&path, Sharing::Exclusive).await?.close().await?;
    let database = Arc::new(Database::builder().set_concurrency_mode(mode).open(&path)?);
    let begun = Instant::now();
    let write = move |id: ThreadId, count: u64| {
        let database = Arc::clone(&database);
        async move {
            tokio::task::spawn_blocking(move || read_change_write(&database, id, count)).await?
        }
    };
    Ok(figures(begun, from_tasks(writes, write).await?))
}

fn read_change_write(database: &Database, id: ThreadId, count: u64) -> Result<()> {
    let mut transaction = database.begin_write()?;
    // As the store does, so that opening after a crash is as fast.
    transaction.set_quick_repair(true);
    {
        let mut threads = transaction.open_table(THREADS)?;
        let mut index = transaction.open_table(INDEX)?;
        let key = &id.as_bytes()[..];
        let stored = threads.get(key)?.context("the row is gone")?.value().to_vec();
        let mut row = kv::decode_thread(id, &stored)?;
        let before = index::keys(&row);
        row.tokens_used = count as i64 + 1;
        row.updated_at = time(count);
        row.revision += 1;
        for (old, new) in before.iter().zip(index::keys(&row)) {
            if *old != new {
                index.remove(&old[..])?;
                index.insert(&new[..], &[][..])?;
            }
        }
        threads.insert(key, kv::encode_thread(&row)?.as_slice())?;
    }
    transaction.commit()?;
    Ok(())
}

fn time(count: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + count as i64)
}

/// Lets every task write in turn to its own thread; answers how long each write took.
async fn from_tasks<W, F>(writes: u64, write: W) -> Result<Vec<Duration>>
where
    W: Fn(ThreadId, u64) -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let write = write.clone();
            let id = rows::thread(task, false).id;
            tokio::spawn(async move {
                let mut waits = Vec::new();
                for count in 0..writes {
                    let begun = Instant::now();
                    write(id, count).await?;
                    waits.push(begun.elapsed());
                }
                anyhow::Ok(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    Ok(waits)
}
