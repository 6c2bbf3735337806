//! Stores that a kill breaks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use threadkeep_conformance::{Declared, Fixture, async_trait};
use threadkeep_core::{
    Capability, CheckReport, Error, ErrorKind, LogEntry, LogIds, Outcome, Result, Retention, Store,
    WriteBatch,
};
use threadkeep_sqlite::{SqliteOptions, SqliteStore};
use tokio::sync::Mutex;

use crate::sabotage::{Inner, Sabotage, Sabotaged};

/// What none of them is asked for.
pub(crate) fn declared() -> Declared {
    let reason = "it is only to be killed";
    Declared::everything()
        .without_tamper(reason)
        .without_previous_format(reason)
        .without_hold(reason)
        .without_faults(reason)
        .without(Capability::ReadOnly, reason)
        .without_retention(reason)
        .without_spoiling(reason)
}

pub(crate) async fn sqlite(workspace: &Path) -> Result<Inner> {
    let options = SqliteOptions::default().retention(Retention::default());
    Ok(Arc::new(SqliteStore::open_with(workspace.join("threads.db"), options).await?))
}

/// Acknowledges what it has in memory, and stores it every 50 ms.
pub(crate) struct Early;

#[derive(Default)]
struct Buffered {
    batches: Vec<WriteBatch>,
    appends: Vec<Vec<LogEntry>>,
}

struct Buffer(Arc<Mutex<Buffered>>);

impl Buffered {
    async fn store(&mut self, inner: &Inner) -> Result<()> {
        for batch in self.batches.drain(..) {
            inner.write(batch).await?;
        }
        for entries in self.appends.drain(..) {
            inner.append(entries).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Sabotage for Buffer {
    async fn write(&self, _inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        // About as long as a store takes that does its work.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.0.lock().await.batches.push(batch);
        Ok(Vec::new())
    }

    async fn append(&self, _inner: &Inner, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.0.lock().await.appends.push(entries);
        Ok(None)
    }
}

#[async_trait]
impl Fixture for Early {
    fn name(&self) -> &'static str {
        "acknowledges before it commits"
    }

    fn declared(&self) -> Declared {
        declared()
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let inner = sqlite(workspace).await?;
        let buffered = Arc::new(Mutex::new(Buffered::default()));
        let (weak, store) = (Arc::downgrade(&buffered), Arc::clone(&inner));
        tokio::spawn(async move {
            while let Some(buffered) = weak.upgrade() {
                // Where this fails, what was acknowledged is lost, which is the point.
                let _ = buffered.lock().await.store(&store).await;
                drop(buffered);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Ok(Arc::new(Sabotaged::new(inner, Buffer(buffered))))
    }
}

/// Commits each change of a batch by itself.
pub(crate) struct Piecemeal;

struct OneByOne;

#[async_trait]
impl Sabotage for OneByOne {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for (change, expect) in batch.changes() {
            let batch = WriteBatch::new().and_if(*expect, change.clone());
            outcomes.extend(inner.write(batch).await?);
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl Fixture for Piecemeal {
    fn name(&self) -> &'static str {
        "a commit for each change"
    }

    fn declared(&self) -> Declared {
        declared()
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Sabotaged::new(sqlite(workspace).await?, OneByOne)))
    }
}

/// Counts its threads, deleted ones too, in a file of its own, after each commit, and checks by that.
pub(crate) struct Beside;

struct Count {
    file: PathBuf,
    turn: Mutex<()>,
}

#[async_trait]
impl Sabotage for Count {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.turn.lock().await;
        let outcomes = inner.write(batch).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let count = known(inner).await?;
        fs::write(&self.file, count).map_err(|error| {
            Error::new(ErrorKind::Io, "the count was not written").with_source(error)
        })?;
        Ok(outcomes)
    }

    async fn check(&self, inner: &Inner) -> Result<CheckReport> {
        let mut report = inner.check().await?;
        let counted = fs::read_to_string(&self.file).unwrap_or_else(|_| "0".into());
        if counted != known(inner).await? {
            report.problems.push(format!("{counted} threads were counted"));
        }
        Ok(report)
    }
}

/// How many threads there are or were.
async fn known(inner: &Inner) -> Result<String> {
    let stats = inner.stats().await?;
    Ok((stats.threads + stats.tombstones).to_string())
}

#[async_trait]
impl Fixture for Beside {
    fn name(&self) -> &'static str {
        "a count beside the commit"
    }

    fn declared(&self) -> Declared {
        declared()
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let count = Count { file: workspace.join("count"), turn: Mutex::default() };
        Ok(Arc::new(Sabotaged::new(sqlite(workspace).await?, count)))
    }
}
