//! Appending batches of 128 from eight tasks at once.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use sqlx::sqlite::SqliteSynchronous;
use threadkeep_core::{LogEntry, Retention};

use super::Engine;
use super::plain::Plain;
use crate::entries::Entries;
use crate::measure;

const BATCH: usize = 128;
const TASKS: usize = 8;

/// Appends so many entries to each engine and to the plain table, in turn.
pub(crate) async fn run(entries: u64) -> Result<()> {
    println!("logs-append: {entries} entries in batches of {BATCH} from {TASKS} tasks");
    for _ in 0..3 {
        // Logs on SQLite are as durable as this; on redb each commit is synced.
        for (engine, synchronous) in
            [(Engine::Sqlite, SqliteSynchronous::Normal), (Engine::Redb, SqliteSynchronous::Full)]
        {
            let folder = tempfile::tempdir()?;
            let plain = Arc::new(Plain::open(folder.path(), synchronous).await?);
            let of_plain = rate(entries, move |batch| {
                let plain = Arc::clone(&plain);
                async move { plain.insert(&batch, None).await }
            })
            .await?;
            let folder = tempfile::tempdir()?;
            let store = engine.open(folder.path(), Retention::default()).await?;
            let writing = Arc::clone(&store);
            let of_store = rate(entries, move |batch| {
                let store = Arc::clone(&writing);
                async move {
                    store.append(batch).await?;
                    Ok(())
                }
            })
            .await?;
            store.close().await?;
            let rates = format!("{of_plain:.0}, {of_store:.0}");
            measure::row(&format!("{engine}: a second, plain and the store"), rates, "");
            let times = format!("{:.1}", of_store / of_plain);
            measure::row(&format!("{engine}, times plain"), times, "at least 5");
        }
    }
    Ok(())
}

async fn rate<F>(
    entries: u64,
    append: impl Fn(Vec<LogEntry>) -> F + Clone + Send + 'static,
) -> Result<f64>
where
    F: Future<Output = Result<()>> + Send,
{
    let mut made = Entries::new();
    let batches = entries as usize / BATCH / TASKS;
    let shares: Vec<Vec<_>> =
        (0..TASKS).map(|_| (0..batches).map(|_| made.batch(BATCH)).collect()).collect();
    let begun = Instant::now();
    let tasks: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let append = append.clone();
            tokio::spawn(async move {
                for batch in share {
                    append(batch).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok((batches * BATCH * TASKS) as f64 / begun.elapsed().as_secs_f64())
}
