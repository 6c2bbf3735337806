//! A log under a cap: how large the files are at the end, with segments as files, as the store has
//! them, and as tables of one file.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use redb::{Database, TableDefinition};
use threadkeep_core::{LogEntry, LogStore, Retention, Store};
use threadkeep_redb::{RedbOptions, RedbStore};

use crate::entries::Entries;
use crate::measure;

const BATCH: usize = 1_024;
/// Bytes of texts between two prunings.
const EVERY: u64 = 32_000_000;

/// Loads this many MB of texts under a cap of so many.
pub(crate) async fn run(megabytes: u64, cap: u64) -> Result<()> {
    println!("redb-cap: {megabytes} MB of texts, a cap of {cap} MB");
    let (load, cap) = (megabytes * 1_000_000, cap * 1_000_000);
    files(load, cap).await?;
    tokio::task::spawn_blocking(move || tables(load, cap)).await?
}

async fn files(load: u64, cap: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let options = RedbOptions::default().retention(Retention::default());
    let store = RedbStore::open_with(folder.path().join("threads.redb"), options).await?;
    let mut made = Entries::new();
    let (mut loaded, mut next, mut most) = (0, EVERY, 0);
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    while loaded < load {
        let batch = made.batch(BATCH);
        loaded += batch.iter().map(LogEntry::text_bytes).sum::<u64>();
        store.append(batch).await?;
        if loaded >= next {
            next += EVERY;
            let pruning = Instant::now();
            store.prune(Retention::max_bytes(cap), Duration::from_secs(5)).await?;
            slowest = slowest.max(pruning.elapsed());
            most = most.max(measure::folder_bytes(folder.path())?);
        }
    }
    measure::row("files: loading", format!("{:.1?}", begun.elapsed()), "");
    measure::row("files: the slowest pruning", format!("{slowest:.1?}"), "");
    store.prune(Retention::max_bytes(cap), Duration::from_secs(5)).await?;
    let maintaining = Instant::now();
    while !store.maintain(Duration::from_secs(1)).await?.done {}
    measure::row("files: maintain", format!("{:.1?}", maintaining.elapsed()), "");
    let stats = store.stats().await?;
    store.close().await?;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    measure::row("files: at most, after a pruning", megabytes(most), "");
    let end = measure::folder_bytes(folder.path())?;
    measure::row("files: after maintain and close", megabytes(end), "at most 125 MB");
    measure::row("files: entries kept", stats.log_entries, "");
    Ok(())
}

/// The other way to drop old entries whole: a table a segment in one file. As raw as redb goes:
/// blocks of texts as they are, no index.
fn tables(load: u64, cap: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("logs.redb");
    let mut database = Database::builder().set_cache_size(16 << 20).create(&path)?;
    let mut made = Entries::new();
    let (mut loaded, mut segment, mut most) = (0_u64, 0_u64, 0);
    let begun = Instant::now();
    let mut number = 0_u64;
    while loaded < load {
        let bytes: Vec<u8> = made
            .batch(BATCH)
            .into_iter()
            .filter_map(|entry| entry.message)
            .flat_map(String::into_bytes)
            .collect();
        loaded += bytes.len() as u64;
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        let current = loaded / (16 << 20);
        {
            let name = format!("segment {current}");
            let definition: TableDefinition<u64, &[u8]> = TableDefinition::new(&name);
            let mut table = transaction.open_table(definition)?;
            for block in bytes.chunks(3_900) {
                number += 1;
                table.insert(number, block)?;
            }
        }
        while (current - segment) * (16 << 20) > cap {
            let name = format!("segment {segment}");
            let definition: TableDefinition<u64, &[u8]> = TableDefinition::new(&name);
            transaction.delete_table(definition)?;
            segment += 1;
        }
        transaction.commit()?;
        most = most.max(path.metadata()?.len());
    }
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    measure::row("tables: loading", format!("{:.1?}", begun.elapsed()), "");
    measure::row("tables: the file at most", megabytes(most), "");
    let compacting = Instant::now();
    database.compact()?;
    let what = "tables: compacting, which nobody else gets past";
    measure::row(what, format!("{:.1?}", compacting.elapsed()), "");
    drop(database);
    measure::row("tables: after compacting", megabytes(bytes_of(&path)?), "");
    Ok(())
}

fn bytes_of(path: &Path) -> Result<u64> {
    Ok(path.metadata()?.len())
}
