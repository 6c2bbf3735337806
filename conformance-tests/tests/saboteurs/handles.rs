//! Saboteurs of acknowledgements, and of what several handles see of each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Outcome, Result, Store, Subject, ThreadId, ThreadMetadata, ThreadStore, WriteBatch,
};
use tokio::sync::{mpsc, oneshot};

use crate::Saboteur;
use crate::fixtures::{memory, sqlite};
use crate::imitate::{Known, Names, hold};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "answers_before_the_commit",
            breaks: "A write is handed to a task and answered at once; who reads then may not \
                     find it.",
            seen: "`tokio::spawn` to keep a database out of the way of a user interface.",
            rules: "P-01, P-10",
            fixture: |name| memory(name, |_| AnswersEarly::default()),
        },
        Saboteur {
            name: "acknowledges_from_a_buffer",
            breaks: "Batches without a name are acknowledged from memory and stored after at most \
                     50 ms: a kill loses the last one, another handle does not see it.",
            seen: "Write-behind, so that fields that change often cost one commit.",
            rules: "P-04, P-30",
            fixture: |name| sqlite(name, |_| Buffers::default()),
        },
        Saboteur {
            name: "caches_rows_in_the_handle",
            breaks: "A row that was read is answered from the handle's memory until the handle \
                     itself changes it, whatever other handles write.",
            seen: "A map of rows in front of a database that was not shared at first.",
            rules: "P-04",
            fixture: |name| sqlite(name, |_| Caches::default()),
        },
    ]
}

enum Job {
    Write(WriteBatch),
    Drain(oneshot::Sender<()>),
}

#[derive(Default)]
struct AnswersEarly {
    jobs: OnceLock<mpsc::UnboundedSender<Job>>,
    known: Known,
    names: Names,
}

impl AnswersEarly {
    fn jobs(&self, inner: &Inner) -> &mpsc::UnboundedSender<Job> {
        self.jobs.get_or_init(|| {
            let (sender, mut jobs) = mpsc::unbounded_channel();
            let inner = Arc::clone(inner);
            tokio::spawn(async move {
                while let Some(job) = jobs.recv().await {
                    match job {
                        // Nobody is left to be told of an error.
                        Job::Write(batch) => drop(inner.write(batch).await),
                        Job::Drain(done) => drop(done.send(())),
                    }
                }
            });
            sender
        })
    }

    async fn drain(&self, inner: &Inner) {
        let (done, drained) = oneshot::channel();
        if self.jobs(inner).send(Job::Drain(done)).is_ok() {
            let _ = drained.await;
        }
    }
}

#[async_trait]
impl Sabotage for AnswersEarly {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.names.turn(&batch).await;
        if let Some(outcomes) = self.names.get(&batch) {
            return Ok(outcomes);
        }
        let outcomes = self.known.foretell(inner, &batch).await?;
        self.known.note(&batch, &outcomes);
        self.names.note(&batch, &outcomes);
        let _ = self.jobs(inner).send(Job::Write(batch));
        Ok(outcomes)
    }

    async fn flush(&self, inner: &Inner) -> Result<()> {
        self.drain(inner).await;
        inner.flush().await
    }

    async fn close(&self, inner: &Inner) -> Result<()> {
        self.drain(inner).await;
        inner.close().await
    }
}

/// The batch that was acknowledged and is not stored yet.
type Waiting = Arc<tokio::sync::Mutex<Option<WriteBatch>>>;

#[derive(Default)]
struct Buffers {
    waiting: Waiting,
    ticker: OnceLock<()>,
    known: Known,
}

async fn store(waiting: &mut Option<WriteBatch>, inner: &Inner) -> Result<()> {
    match waiting.take() {
        Some(batch) => inner.write(batch).await.map(drop),
        None => Ok(()),
    }
}

impl Buffers {
    /// Stores what waits from time to time, and once more when the handle is gone.
    fn start(&self, inner: &Inner) {
        self.ticker.get_or_init(|| {
            let (waiting, inner) = (Arc::clone(&self.waiting), Arc::clone(inner));
            tokio::spawn(async move {
                let mut left = false;
                while !left {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    left = Arc::strong_count(&waiting) == 1;
                    let _ = store(&mut *waiting.lock().await, &inner).await;
                }
            });
        });
    }

    /// Whether the answer follows from what is there: a deletion that this handle has not seen
    /// would change it.
    async fn is_foretold(inner: &Inner, batch: &WriteBatch) -> Result<bool> {
        let mut ids = Vec::new();
        for subject in batch.subjects() {
            if let Subject::Thread(id) = subject {
                ids.push(id);
            }
        }
        Ok(batch.id().is_none()
            && !batch.is_empty()
            && (inner.threads(ids).await?.iter().all(Option::is_some)
                || inner.stats().await?.tombstones == 0))
    }
}

#[async_trait]
impl Sabotage for Buffers {
    async fn before(&self, inner: &Inner) -> Result<()> {
        // The handle's own reads find what it wrote.
        store(&mut *self.waiting.lock().await, inner).await
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        self.start(inner);
        let mut waiting = self.waiting.lock().await;
        store(&mut waiting, inner).await?;
        // A damaged row is for the store to judge.
        if !Self::is_foretold(inner, &batch).await.unwrap_or(false) {
            return inner.write(batch).await;
        }
        let outcomes = self.known.foretell(inner, &batch).await?;
        *waiting = Some(batch);
        Ok(outcomes)
    }

    async fn close(&self, inner: &Inner) -> Result<()> {
        store(&mut *self.waiting.lock().await, inner).await?;
        inner.close().await
    }
}

#[derive(Default)]
struct Caches {
    rows: Mutex<HashMap<ThreadId, ThreadMetadata>>,
}

#[async_trait]
impl Sabotage for Caches {
    async fn threads(
        &self,
        inner: &Inner,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        // Tells whether the handle was closed.
        inner.flush().await?;
        let mut missing = ids.clone();
        missing.retain(|id| !hold(&self.rows).contains_key(id));
        let found = inner.threads(missing).await?;
        let mut rows = hold(&self.rows);
        rows.extend(found.into_iter().flatten().map(|row| (row.id, row)));
        Ok(ids.iter().map(|id| rows.get(id).cloned()).collect())
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let subjects = batch.subjects();
        let outcomes = inner.write(batch).await;
        for subject in subjects {
            if let Subject::Thread(id) = subject {
                hold(&self.rows).remove(&id);
            }
        }
        outcomes
    }
}
