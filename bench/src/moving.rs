//! A store through every kind of store and back.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use threadkeep_core::moving::{self, CopyOptions, Digest, Parts};
use threadkeep_core::{Change, DynamicToolSpec, LogStore, Retention, Store, WriteBatch};
use threadkeep_memory::MemoryStore;
use threadkeep_redb::{RedbOptions, RedbStore};
use threadkeep_sqlite::{SqliteOptions, SqliteStore};

use crate::entries::Entries;
use crate::postgres::setup;
use crate::{measure, rows};

/// Memory that a copy may take beside what the stores hold, in MB.
const BAR: &str = "at most 200";

/// Copies so many threads, tool sets and log entries from store to store.
pub(crate) async fn run(threads: usize, tools: usize, entries: usize) -> Result<()> {
    println!("copy-chain: {threads} threads, {tools} with tools, {entries} log entries");
    let Some(server) = setup::server()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let first = sqlite(&folder.path().join("first.db")).await?;
    rows::put_all(&*first, threads).await?;
    put_tools(&*first, tools).await?;
    append(&*first, entries).await?;

    let mut chain =
        Chain { at: "SQLite", store: first, digest: Digest::default(), read: Duration::ZERO };
    (chain.digest, chain.read) = digest(&*chain.store).await?;
    measure::row("SQLite: only reading it, for its digest", seconds(chain.read), "");
    let redb = RedbOptions::default().retention(Retention::default());
    let redb = RedbStore::open_with(folder.path().join("second.redb"), redb).await?;
    chain.hop("redb", Box::new(redb), Held::OnDisk).await?;
    let postgres = setup::open(&setup::database(&server, "chain")?).await?;
    chain.hop("PostgreSQL", Box::new(postgres), Held::OnDisk).await?;
    chain.hop("memory", Box::new(MemoryStore::new()), Held::InMemory).await?;
    let last = sqlite(&folder.path().join("last.db")).await?;
    chain.hop("SQLite", last, Held::OnDisk).await?;
    chain.store.close().await?;
    measure::row("the same content after every hop", "yes", "yes");
    Ok(())
}

/// Where a store has what it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    OnDisk,
    InMemory,
}

/// How far the content has come.
struct Chain {
    at: &'static str,
    store: Box<dyn Store>,
    digest: Digest,
    /// How long reading the store takes.
    read: Duration,
}

impl Chain {
    /// Copies everything into the next store and closes the one it comes from.
    async fn hop(&mut self, to: &'static str, target: Box<dyn Store>, held: Held) -> Result<()> {
        let name = format!("{} to {to}", self.at);
        let before = resident();
        let counted = reset_peak();
        let begun = Instant::now();
        let options = CopyOptions::new().logs("the first of the chain");
        let report = moving::copy(&*self.store, &*target, &options).await?;
        let took = begun.elapsed();
        let (peak, after) = (peak(), resident());
        ensure!(report.is_whole(), "{name}: not all of it was copied");
        let (digest, read) = digest(&*target).await?;
        let differences = digest.differences(&self.digest);
        ensure!(differences.is_empty(), "{name}: {differences:?} differ");
        measure::row(&format!("{name}: copying"), seconds(took), "");
        let times = format!("{:.1}", measure::ratio(took, self.read));
        measure::row(&format!("{name}: times only reading the source"), times, "");
        measure::row(&format!("{to}: only reading it, for its digest"), seconds(read), "");
        if let (true, Some(before), Some(peak), Some(after)) = (counted, before, peak, after) {
            // What the store in memory has afterwards is its content.
            let base = if held == Held::InMemory { after.max(before) } else { before };
            let name = format!("{name}: memory at most beyond the stores, in MB");
            measure::row(&name, format!("{:.0}", peak.saturating_sub(base) as f64 / 1e6), BAR);
            let megabytes = [before, peak, after].map(|bytes| format!("{:.0}", bytes as f64 / 1e6));
            measure::row("  before, at most, after", megabytes.join(", "), "");
        } else {
            measure::row(&format!("{name}: memory"), "not told here", BAR);
        }
        self.store.close().await?;
        (self.at, self.store, self.digest, self.read) = (to, target, digest, read);
        Ok(())
    }
}

async fn sqlite(path: &Path) -> Result<Box<dyn Store>> {
    let options = SqliteOptions::default().retention(Retention::default());
    Ok(Box::new(SqliteStore::open_with(path, options).await?))
}

async fn put_tools(store: &dyn Store, tools: usize) -> Result<()> {
    let schema = r#"{"type":"object","properties":{"path":{"type":"string"}}}"#;
    let set: Vec<_> = ["read_ticket", "open_ticket", "close_ticket"]
        .into_iter()
        .map(|name| DynamicToolSpec::function(name, "What it does with the ticket", schema))
        .collect::<Result<_, _>>()?;
    for start in (0..tools).step_by(2_000) {
        let mut batch = WriteBatch::new();
        for number in start..(start + 2_000).min(tools) {
            let id = rows::thread(number as u64, false).id;
            batch.push(Change::SetTools { id, tools: set.clone(), replace: false });
        }
        store.write(batch).await?;
    }
    Ok(())
}

async fn append(store: &dyn LogStore, entries: usize) -> Result<()> {
    let mut made = Entries::new();
    for start in (0..entries).step_by(1_000) {
        store.append(made.batch((entries - start).min(1_000))).await?;
    }
    Ok(())
}

async fn digest(store: &dyn Store) -> Result<(Digest, Duration)> {
    let begun = Instant::now();
    let digest = moving::digest(store, Parts::new().logs(true)).await?;
    Ok((digest, begun.elapsed()))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Forgets the most memory that this process held. Answers whether the system does that.
fn reset_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most bytes of memory that this process held since then.
fn peak() -> Option<u64> {
    status("VmHWM:")
}

/// Bytes of memory that this process holds.
fn resident() -> Option<u64> {
    status("VmRSS:")
}

fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}
