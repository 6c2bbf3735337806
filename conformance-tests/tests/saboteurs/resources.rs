//! Saboteurs of the runtime, the process, and the next caller.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Error, Outcome, Page, Result, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore, WriteBatch,
};
use tokio::sync::Semaphore;

use crate::Saboteur;
use crate::fixtures::{memory, sqlite};
use crate::imitate::hold;
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "blocks_the_runtime",
            breaks: "A write holds the thread it is polled on, for 500 changes 60 ms.",
            seen: "A synchronous database called from async code, or `thread::sleep` between \
                   attempts at a lock.",
            rules: "P-50",
            fixture: |name| memory(name, |_| Blocks),
        },
        Saboteur {
            name: "leaks_a_handle_on_every_error",
            breaks: "Every failed call leaves a file open until the store goes.",
            seen: "Connections that an early `?` keeps from going back to their pool.",
            rules: "P-53",
            fixture: |name| sqlite(name, LeaksFiles::new),
        },
        Saboteur {
            name: "leaves_a_thread_behind",
            breaks: "Every handle starts a thread that outlives its close.",
            seen: "A background loop that nothing tells to end.",
            rules: "P-53",
            fixture: |name| memory(name, |_| LeavesThreads::start()),
        },
        Saboteur {
            name: "keeps_the_lock_of_a_dropped_write",
            breaks: "A write whose future is dropped holds the write lock for ever.",
            seen: "A lock given back by a statement at the end in place of a guard.",
            rules: "P-51",
            fixture: |name| sqlite(name, |_| KeepsLocks { turns: Semaphore::new(1) }),
        },
    ]
}

struct Blocks;

fn count(batch: &WriteBatch) -> u32 {
    u32::try_from(batch.len()).unwrap_or(u32::MAX)
}

#[async_trait]
impl Sabotage for Blocks {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        // About what inserting the rows right here would take.
        thread::sleep(Duration::from_micros(120).saturating_mul(count(&batch)));
        inner.write(batch).await
    }
}

/// Writes errors into a file, opened anew for each.
struct LeaksFiles {
    path: PathBuf,
    open: Mutex<Vec<File>>,
}

impl LeaksFiles {
    fn new(workspace: &Path) -> Self {
        Self { path: workspace.join("errors.log"), open: Mutex::default() }
    }

    fn noted(&self, error: Error) -> Error {
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(&self.path) {
            let _ = writeln!(file, "{error}");
            hold(&self.open).push(file);
        }
        error
    }
}

#[async_trait]
impl Sabotage for LeaksFiles {
    async fn threads(
        &self,
        inner: &Inner,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        inner.threads(ids).await.map_err(|error| self.noted(error))
    }

    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        inner.list(query).await.map_err(|error| self.noted(error))
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        inner.write(batch).await.map_err(|error| self.noted(error))
    }
}

struct LeavesThreads;

impl LeavesThreads {
    fn start() -> Self {
        thread::spawn(|| {
            loop {
                thread::park();
            }
        });
        Self
    }
}

impl Sabotage for LeavesThreads {}

struct KeepsLocks {
    turns: Semaphore,
}

#[async_trait]
impl Sabotage for KeepsLocks {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        if let Ok(turn) = self.turns.acquire().await {
            turn.forget();
        }
        let outcomes = inner.write(batch).await;
        self.turns.add_permits(1);
        outcomes
    }
}
