//! Appending log entries in batches of 128.

use std::time::Instant;

use anyhow::{Context as _, Result};
use threadkeep_core::{LogEntry, LogFilter, LogLevel, LogQuery, LogStore, Retention, Store};
use threadkeep_redb::{RedbOptions, RedbStore, Sharing};

use crate::entries::Entries;
use crate::measure;

const BATCH: usize = 128;

/// Appends from one task and from eight, and reads what was appended.
pub(crate) async fn run(entries: u64) -> Result<()> {
    println!("redb-append: {entries} entries in batches of {BATCH}, each commit durable");
    for (sharing, tasks) in
        [(Sharing::Auto, 1), (Sharing::Auto, 8), (Sharing::Exclusive, 1), (Sharing::Exclusive, 8)]
    {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("threads.redb");
        let options = RedbOptions::default().sharing(sharing).retention(Retention::default());
        let store = RedbStore::open_with(&path, options).await?;
        let mut made = Entries::new();
        let batches: Vec<_> = (0..entries as usize / BATCH).map(|_| made.batch(BATCH)).collect();
        let texts: u64 = batches.iter().flatten().map(LogEntry::text_bytes).sum();
        let messages: usize =
            batches.iter().flatten().filter_map(|entry| Some(entry.message.as_ref()?.len())).sum();
        let count = batches.len() * BATCH;
        let before = measure::written_bytes().context("the system does not count writes")?;
        let begun = Instant::now();
        append(&store, batches, tasks).await?;
        let took = begun.elapsed().as_secs_f64();
        let written = (measure::written_bytes().unwrap_or(before) - before) as f64;
        let row = |name: &str, value: String, bar| {
            measure::row(&format!("{sharing}, {tasks} at a time: {name}"), value, bar);
        };
        row("entries a second", format!("{:.0}", count as f64 / took), "at least 50,000");
        row("written per byte of texts", format!("{:.2}", written / texts as f64), "at most 3");
        row("written per byte of messages", format!("{:.2}", written / messages as f64), "");
        let bytes = measure::folder_bytes(&folder.path().join("threads-logs"))? as f64;
        row("MB of files a million entries", format!("{:.1}", bytes / count as f64), "");
        if sharing == Sharing::Auto && tasks == 8 {
            read(&store).await?;
        }
        store.close().await?;
    }
    Ok(())
}

async fn append(store: &RedbStore, batches: Vec<Vec<LogEntry>>, tasks: usize) -> Result<()> {
    let mut shares: Vec<Vec<_>> = (0..tasks).map(|_| Vec::new()).collect();
    for (number, batch) in batches.into_iter().enumerate() {
        shares[number % tasks].push(batch);
    }
    let appending: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let store = store.clone();
            tokio::spawn(async move {
                for batch in share {
                    store.append(batch).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in appending {
        task.await??;
    }
    Ok(())
}

async fn read(store: &RedbStore) -> Result<()> {
    let all = LogFilter::new;
    let mut rare = all();
    rare.modules = Some([String::from("codex_core::part_39")].into());
    let mut absent = all();
    absent.modules = Some([String::from("no such module")].into());
    let last = store.max_log_id(all()).await?;
    for (name, filter) in [
        ("the last 100", all()),
        ("the last 100 of a thread", all().thread("019d2308-c368-7ca0-8331-65a7d4703507")),
        ("the last 100 errors", all().min_level(LogLevel::Error)),
        ("the last 100 of a module", rare),
        ("of a module that is not there", absent),
        ("nothing new after the last", all().after_id(last)),
    ] {
        let query = LogQuery::new(filter);
        let time = measure::time_async(50, || store.query(query.clone())).await;
        measure::row(&format!("{name}, median"), format!("{time:.1?}"), "");
    }
    Ok(())
}
