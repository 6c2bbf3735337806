//! The whole store: counting, checking, maintaining, copying and closing it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTableMetadata as _};
use threadkeep_core::{
    Capabilities, Capability, CheckReport, ErrorKind, Maintained, Result, Skipped, Stats, Store,
    ThreadId, index,
};
use threadkeep_migrations::kv;
use tokio::task::spawn_blocking;

use crate::database::Database;
use crate::errors::{self, Failure};
use crate::open::OpenStore;
use crate::space::{is_worth_compacting, live_bytes};
use crate::tables::{
    BATCH_ORDER, BATCHES, Bytes, CHECKPOINTS, INDEX, PENDING, THREADS, TOMBSTONES, TOOLS,
};
use crate::{RedbStore, Sharing, copy, not_ended};

/// Deleted threads whose logs are dropped in one step.
const LOGS_STEP: usize = 100;
/// Rows checked in one transaction.
const CHECK_STEP: usize = 1_000;

#[async_trait]
impl Store for RedbStore {
    fn capabilities(&self) -> Capabilities {
        let kept = Capabilities::none()
            .with(Capability::Persistent)
            .with(Capability::Durable)
            .with(Capability::Backup);
        let mode = self.store().ok().map(|store| store.threads.settings().mode);
        match mode {
            Some(mode) if mode == Sharing::Auto.mode() => {
                kept.with(Capability::MultiProcess).with(Capability::ReadOnly)
            }
            Some(mode) if mode == Sharing::Single.mode() => kept.with(Capability::ReadOnly),
            _ => kept,
        }
    }

    async fn stats(&self) -> Result<Stats> {
        self.read(OpenStore::stats).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.read(OpenStore::check).await
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        let begun = Instant::now();
        let left = || budget.saturating_sub(begun.elapsed());
        self.store()?.writer()?;
        let mut maintained = Maintained::default();
        let before = self.read(OpenStore::bytes).await?;
        // Logs that are damaged are told of at the end.
        let logs = self.maintain_logs(budget, &mut maintained).await;
        let budget = left();
        maintained.done &= self.read(move |store| store.compact(budget)).await?;
        logs.map_err(|error| error.after(maintained.log_entries))?;
        let after = self.read(OpenStore::bytes).await?;
        maintained.freed_bytes = before.saturating_sub(after);
        Ok(maintained)
    }

    async fn backup(&self, to: PathBuf) -> Result<()> {
        self.read(move |store| copy::store(store, &to)).await
    }

    async fn flush(&self) -> Result<()> {
        self.store()?.flush().await
    }

    async fn close(&self) -> Result<()> {
        match self.handle.close() {
            Some(close) => {
                spawn_blocking(close).await.map_err(|error| not_ended(error, "closing"))?
            }
            None => Ok(()),
        }
    }
}

impl RedbStore {
    /// Deletes logs of deleted threads, and what the retention does not keep.
    async fn maintain_logs(&self, budget: Duration, maintained: &mut Maintained) -> Result<()> {
        let begun = Instant::now();
        let left = || budget.saturating_sub(begun.elapsed());
        let store = self.store()?;
        let wait = store.threads.settings().deadline;
        maintained.done = true;
        loop {
            let pending = self.read(|store| store.threads.read("maintain", pending)).await?;
            maintained.done = pending.len() < LOGS_STEP;
            if pending.is_empty() {
                break;
            }
            maintained.log_entries += store.drop_logs(pending, wait).await?;
            if left().is_zero() {
                break;
            }
        }
        let (rows, done) = self.keep_to(store.retention, left()).await?;
        maintained.log_entries += rows;
        maintained.done &= done;
        Ok(())
    }
}

/// Deleted threads whose logs are still to go, some of them.
fn pending(transaction: &ReadTransaction) -> Result<Vec<ThreadId>, Failure> {
    let table = transaction.open_table(PENDING)?;
    let ids = table.range::<&[u8]>(..)?.take(LOGS_STEP);
    ids.map(|entry| id(entry?.0.value())).collect()
}

fn id(bytes: &[u8]) -> Result<ThreadId, Failure> {
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|error| {
        let text = format!("the id of a thread has {} bytes", bytes.len());
        threadkeep_core::Error::new(threadkeep_core::ErrorKind::Corrupted, text).with_source(error)
    })?;
    Ok(ThreadId::from_bytes(bytes))
}

impl OpenStore {
    fn stats(&self) -> Result<Stats> {
        let mut stats = self.threads.read("stats", |transaction| {
            let mut stats = Stats::default();
            stats.threads = transaction.open_table(THREADS)?.len()?;
            stats.threads_with_tools = transaction.open_table(TOOLS)?.len()?;
            stats.tombstones = transaction.open_table(TOMBSTONES)?.len()?;
            let index = transaction.open_table(INDEX)?;
            for prefix in index::prefixes(&archived()) {
                let end = [&prefix[..], &[0xff; 24]].concat();
                for entry in index.range::<&[u8]>(&prefix[..]..=&end[..])? {
                    // A range that fails never ends.
                    entry?;
                    stats.archived += 1;
                }
            }
            stats.live_bytes = live_bytes(transaction)?;
            Ok(stats)
        })?;
        stats.thread_bytes = self.bytes_of_threads()?;
        for first in self.logs.segments.list()? {
            let Some(segment) = self.logs.segments.get(first)? else { continue };
            stats.log_entries += segment.count()?;
            stats.live_bytes += segment.database.read("stats", live_bytes)?;
        }
        stats.log_bytes = self.logs.segments.folder_bytes()?;
        Ok(stats)
    }

    /// Bytes of the file of threads, and of the lock file beside it.
    fn bytes_of_threads(&self) -> Result<u64> {
        let (path, files) = (self.threads.path(), &self.threads.settings().files);
        let failed = |error| errors::io(error, path, "stats");
        let found = files.find(path).map_err(failed)?;
        let note = files.note(path).map_err(failed)?;
        Ok(found.map_or(0, |found| found.bytes) + note.len() as u64)
    }

    fn bytes(&self) -> Result<u64> {
        Ok(self.bytes_of_threads()? + self.logs.segments.all_bytes()?)
    }

    /// Reads every row some at a time, so that no transaction is kept for long, then lets redb look
    /// at its pages.
    fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        let mut after = None;
        loop {
            let step = |transaction: &ReadTransaction| check_rows(transaction, after, &mut report);
            match self.threads.read("check", step)? {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        self.threads.read("check", |transaction| check_beside_rows(transaction, &mut report))?;
        for first in self.logs.segments.list()? {
            let Some(segment) = self.logs.segments.get(first)? else { continue };
            note_soundness(&format!("the log segment {first}"), &segment.database, &mut report)?;
        }
        for path in self.logs.segments.list_aside()? {
            let path = path.display();
            report.problems.push(format!("a log segment was damaged and is now {path}"));
        }
        note_soundness("the file of threads", &self.threads, &mut report)?;
        Ok(report)
    }

    /// Gives free space back, one file at a time, while there is time; `false` where there was not
    /// enough of it.
    fn compact(&self, budget: Duration) -> Result<bool> {
        let begun = Instant::now();
        let segments = &self.logs.segments;
        let mut firsts = segments.list()?;
        // The last one is still written to.
        firsts.pop();
        let sealed = firsts.into_iter().filter_map(|first| segments.get(first).transpose());
        for segment in sealed {
            if begun.elapsed() >= budget {
                return Ok(false);
            }
            let segment = segment?;
            let bytes = segments.bytes(segment.first)?.unwrap_or(0);
            let live = segment.database.read("maintain", live_bytes)?;
            if is_worth_compacting(bytes, live) {
                let compacted = segment.database.compact();
                compacted.map_err(|failure| failure.at(segment.database.path(), "maintain"))?;
            }
        }
        let live = self.threads.read("maintain", live_bytes)?;
        // All of it is moved in one go, in which nobody else gets at it.
        let takes = Duration::from_millis(live / COMPACTED_BYTES_A_MILLISECOND);
        if is_worth_compacting(self.bytes_of_threads()?, live)
            && begun.elapsed() + takes < budget
            && !self.threads.settings().read_only
        {
            let compacted = self.threads.compact();
            compacted.map_err(|failure| failure.at(self.threads.path(), "maintain"))?;
        }
        Ok(true)
    }
}

/// So much is moved in a millisecond on a slow disk.
const COMPACTED_BYTES_A_MILLISECOND: u64 = 50_000;

fn archived() -> threadkeep_core::ThreadQuery {
    threadkeep_core::ThreadQuery::everything().archived(threadkeep_core::Archived::Archived)
}

/// Checks the rows, and their tools, after an id; answers the last one, `None` at the end.
fn check_rows(
    transaction: &ReadTransaction,
    after: Option<ThreadId>,
    report: &mut CheckReport,
) -> Result<Option<ThreadId>, Failure> {
    use std::ops::Bound::{Excluded, Unbounded};

    let (threads, tools) = (transaction.open_table(THREADS)?, transaction.open_table(TOOLS)?);
    let index = transaction.open_table(INDEX)?;
    let from = after.as_ref().map_or(Unbounded, |id| Excluded(&id.as_bytes()[..]));
    let mut last = None;
    for entry in threads.range::<&[u8]>((from, Unbounded))?.take(CHECK_STEP) {
        let (key, value) = entry?;
        let id = id(key.value())?;
        last = Some(id);
        report.threads += 1;
        match kv::decode_thread(id, value.value()) {
            Ok(row) => {
                for key in index::keys(&row) {
                    if index.get(&key[..])?.is_none() {
                        let reason = "it is not listed where it belongs".into();
                        report.damaged.push(Skipped { id, reason });
                        break;
                    }
                }
            }
            Err(error) => {
                report.damaged.push(Skipped { id, reason: error.message().to_owned() });
            }
        }
        if let Some(list) = tools.get(key.value())?
            && let Err(error) = kv::decode_tools(id, list.value())
        {
            let reason = format!("its tools: {}", error.message());
            report.damaged.push(Skipped { id, reason });
        }
    }
    Ok(last)
}

/// Checks what is stored beside the rows.
fn check_beside_rows(
    transaction: &ReadTransaction,
    report: &mut CheckReport,
) -> Result<(), Failure> {
    let threads = transaction.open_table(THREADS)?;
    let has = |table: Bytes<'static>,
               what: &str,
               report: &mut CheckReport|
     -> Result<(), Failure> {
        for entry in transaction.open_table(table)?.range::<&[u8]>(..)? {
            let (key, _) = entry?;
            if threads.get(key.value())?.is_none() {
                report.problems.push(format!("there are {what} of a thread that does not exist"));
            }
        }
        Ok(())
    };
    has(TOOLS, "tools", report)?;
    let keys = transaction.open_table(INDEX)?.len()?;
    let expected = index::KEYS as u64 * threads.len()?;
    if keys != expected && report.damaged.is_empty() {
        report.problems.push(format!("the index has {keys} keys, expected {expected}"));
    }
    for entry in transaction.open_table(TOMBSTONES)?.range::<&[u8]>(..)? {
        let (key, value) = entry?;
        let id = id(key.value())?;
        if threads.get(key.value())?.is_some() {
            report.problems.push(format!("thread {id} exists and is marked as deleted"));
        }
        if let Err(error) = kv::decode_tombstone(id, value.value()) {
            report.problems.push(format!("the deletion of thread {id}: {}", error.message()));
        }
    }
    for entry in transaction.open_table(CHECKPOINTS)?.range::<&str>(..)? {
        let (key, value) = entry?;
        if let Err(error) = kv::decode_checkpoint(key.value(), value.value()) {
            report.problems.push(format!("the checkpoint {}: {}", key.value(), error.message()));
        }
    }
    let (names, order) =
        (transaction.open_table(BATCHES)?.len()?, transaction.open_table(BATCH_ORDER)?.len()?);
    if names != order {
        report.problems.push(format!("{names} batches are remembered, {order} in their order"));
    }
    Ok(())
}

/// Notes what redb found. That others use the file, or that it may only be read, is no damage; that
/// the disk fails is none either, and ends the check.
fn note_soundness(what: &str, database: &Database, report: &mut CheckReport) -> Result<()> {
    match database.is_sound() {
        Ok(true) | Err(Failure::Engine(redb::Error::TransactionInProgress)) => Ok(()),
        Ok(false) => {
            report.problems.push(format!("{what} was damaged and could be mended"));
            Ok(())
        }
        Err(Failure::Refused(error)) if error.kind() == ErrorKind::ReadOnly => Ok(()),
        Err(failure) => match failure.at(database.path(), "check") {
            error if error.kind() == ErrorKind::Corrupted => {
                report.problems.push(format!("{what}: {error}"));
                Ok(())
            }
            error => Err(error),
        },
    }
}
